"""How a study on files becomes a plan: distances of the shifts."""

from augqa.study.planning import distances


def test_a_shift_is_as_far_as_a_classifier_tells_its_contexts_from_the_pool_s() -> None:
    contexts = {"nyt": {"real": 0.9, "kept": 1.0, "n": 400}, "squad": {"real": 0.5, "n": 400}}
    quality = {"two_sample_auc": {"contexts": contexts, "questions": {"nyt": {"real": 0.6}}}}
    assert distances(quality, ["nyt"]) == {"nyt": 0.9}


def test_a_shift_of_too_few_contexts_or_none_has_no_distance() -> None:
    quality = {"two_sample_auc": {"contexts": {"tickets": {"real": None, "n": 3}}}}
    assert distances(quality, ["tickets", "mail"]) == {}
    assert distances({}, ["tickets"]) == {}
