"""Commands that look at params before anything runs: check, profile.

`augqa run` begins with them, so that nothing heavy is loaded here before it is needed.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from augqa.address_text import without_secrets
from augqa.errors import GenerationError, ParamsError
from augqa.files import write_whole
from augqa.params import Llm, Params, load_params
from augqa.params_text import nearest
from augqa.programs import committed
from augqa.stage import project_root
from augqa.terminal import say
from augqa.test_sets import FileSource

PROFILES = Path("profiles")
PARAMS = Path("params.yaml")


def profile(name: str) -> None:
    """Put profiles/NAME.yaml in force as params.yaml, after it has been checked."""
    path = profile_path(name)
    load_params(path)
    if PARAMS.is_file() and _is_only_here(PARAMS):
        raise ParamsError(
            "params.yaml has changes of yours that stand neither in git nor in a profile, and this"
            " would overwrite them: commit them, or copy the file to profiles/ under a new name"
        )
    write_whole(PARAMS, path.read_bytes())
    say(f"params.yaml is now profile {name}")


def profile_path(name: str) -> Path:
    """Return where a profile is.

    Raises:
        ParamsError: If there is none of this name.
    """
    path = PROFILES / f"{name}.yaml"
    if re.fullmatch(r"\w[\w-]*", name) and path.is_file():
        return path
    known = sorted(p.stem for p in PROFILES.glob("*.yaml"))
    if not known:
        raise ParamsError(
            f"{PROFILES}: no profile is there. `git checkout {PROFILES}` brings them."
        )
    what = f"no profile {name!r}" if name else "no profile is named"
    raise ParamsError(f"{what}: choose one of {', '.join(known)}{nearest(name, known)}")


def check() -> None:
    """Look at params.yaml before DVC does: every fault at once, and what a run would do."""
    params = load_params()
    regimes = ["real", *params.regimes]
    n_trainings = len(regimes) * len(params.training_seeds)
    say(
        f"{PARAMS} is sound: {len(regimes)} recipes ({', '.join(regimes)}),"
        f" {len(params.training_seeds)} training seed{'s' * (len(params.training_seeds) > 1)},"
        f" so {n_trainings} trainings"
    )
    for line in [*not_available(files_of(PARAMS)), *_alone(params)]:
        say(line)
    params.executor.refuse_without_ray()
    if params.executor.kind == "ray":
        where = os.environ.get("RAY_ADDRESS") or "one that starts on this machine"
        say(f"executor: the Ray cluster is {where}")
    for line in _of_endpoint(params.llm):
        say(line)


def _of_endpoint(llm: Llm) -> list[str]:
    """Return a line for each address that does not answer now: it may when the run starts.

    Raises:
        ParamsError: If a key is not set, or an address cannot be used.
    """
    if llm.provider == "embedded":
        return []
    # They load the openai library, which the embedded default has no use for.
    from augqa.llm.address import Place, read_address, read_headers  # noqa: PLC0415
    from augqa.llm.reaching import unreachable  # noqa: PLC0415

    try:
        for url in llm.base_urls:
            # Each fault of it before a stage meets it, and before the lack of a key.
            read_address(Place(base_url=url, api_key="none", api_key_env=llm.api_key_envs[0]))
        _refuse_without_keys(llm)
        read_headers(llm.headers)
        # A file of requests goes nowhere by itself, and the provider's own address is not in doubt.
        is_asked = llm.base_urls and llm.executor != "batch_file"
        faults = unreachable(llm) if is_asked else {}
    except GenerationError as error:
        raise ParamsError(str(error)) from error
    return [f"llm.base_url: {where} cannot be reached now: {why}" for where, why in faults.items()]


def _refuse_without_keys(llm: Llm) -> None:
    urls = llm.base_urls or ["the provider"]
    for number, name in enumerate(llm.api_key_envs):
        if not os.environ.get(name):
            named = urls[number : number + 1] if len(llm.api_key_envs) > 1 else urls
            whose = " and of ".join(map(without_secrets, named))
            raise ParamsError(
                f"llm.api_key_env: the environment variable {name} is empty; export the key of"
                f" {whose} there"
            )


def _alone(params: Params) -> list[str]:
    """Return a line for each comparison of the study of which one side does not run."""
    running = {"real", *params.regimes}
    return [
        f"study.primary: {one.recipe} against {one.control} cannot be made:"
        f" regimes does not have {name}"
        for one in params.study.primary
        for name in (one.recipe, one.control)
        if name is not None and name not in running
    ]


def _is_only_here(path: Path) -> bool:
    """Return whether a file's content is neither a profile's nor the one git has."""
    content = path.read_bytes()
    if any(content == profile.read_bytes() for profile in PROFILES.glob("*.yaml")):
        return False
    return content != committed(path)


def not_available(files: Mapping[str, str]) -> list[str]:
    """Return a line for each set, named by its file, whose file is not in data/external."""
    external = project_root() / "data" / "external"
    return [
        f"{name}: not available ({file})"
        for file, name in files.items()
        if not (external / file).is_file()
    ]


def files_of(path: Path) -> dict[str, str]:
    """Return the sets of a params file by the files under data/external that they come from."""
    sources = load_params(path).data.sources()
    return {s.name: name for name, s in sources.items() if isinstance(s, FileSource)}
