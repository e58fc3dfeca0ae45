"""Names of persons, peoples and things, as far as a question by rules must ask who or what."""

import re

_LISTED_TITLES = """
    President King Queen Prince Princess Pope Emperor Empress Sir Lord Lady Dr. Mr. Mrs. Ms.
    Professor General Colonel Captain Bishop Archbishop Saint St. Duke Senator Sultan Chancellor
"""
_TITLES = frozenset(_LISTED_TITLES.split())
_LISTED_FIRST_NAMES = """
    Abraham Adam Albert Alexander Alfred Alice Allen Andrew Anna Anne Anthony Arthur Barbara
    Benjamin Bill Bob Brian Carl Caroline Catherine Charles Charlotte Christian Christopher
    Claude Daniel David Dennis Donald Dorothy Douglas Edgar Edmund Edward Eleanor Elizabeth
    Emily Emma Eric Ernest Eugene Francis Franklin Frank Frederick Friedrich Gary Geoffrey
    George Gerald Gordon Graham Hans Harold Harry Heinrich Helen Henri Henry Herbert Howard Hugh
    Ian Isaac Jack Jacob Jacques James Jane Jean Jennifer Jerome Jessica Joan Johann John
    Jonathan Joseph Joshua Julia Julian Karl Kate Kenneth Kevin Laura Lawrence Leo Leonard Lewis
    Louis Louise Lucy Ludwig Margaret Maria Mark Martin Mary Matthew Max Michael Mike Nancy
    Nicholas Oliver Oscar Otto Patrick Paul Peter Philip Pierre Ralph Raymond Rebecca Richard
    Robert Roger Ronald Roy Ruth Samuel Sarah Scott Simon Stephen Steve Steven Susan Theodore
    Thomas Tim Timothy Tom Tony Victor Victoria Vincent Walter Warren William Winston
"""
_FIRST_NAMES = frozenset(_LISTED_FIRST_NAMES.split())
_PEOPLE = re.compile(r"^[A-Z][a-z]+(?:ans|ards|oles|urks|reeks|anes|ots|ews)$")
_THING = re.compile(
    r"\b(?:[A-Z]{2,}|[A-Z]\w*(?:s|tion|ment|land|ism|ity)|of|the|University|College|School|Company|Corporation"
    r"|River|Lake|Sea|Ocean|Mountain|Island|City|Church|Empire|Party|War|Act|Law|Treaty|Army|League"
    r"|Street|Park|Museum|Society|Institute|Council|Court|Bank|Union|House|Age|Festival|Prize)\b"
)


def is_person(name: str) -> bool:
    """Return whether a name is surely one person's: a title, or a common first name and another."""
    first, *others = name.split()
    return first in _TITLES or (bool(others) and first in _FIRST_NAMES)


def is_people(name: str) -> bool:
    """Return whether a name looks like that of a people: ``Russians``."""
    return _PEOPLE.search(name) is not None


def is_thing(name: str) -> bool:
    """Return whether a name has a word, or an ending, that persons do not have."""
    return _THING.search(name) is not None
