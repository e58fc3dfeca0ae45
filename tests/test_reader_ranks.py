"""Several processes that train one reader."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from augqa.blends import KINDS, Materials
from augqa.errors import ReaderError
from augqa.params import load_params
from augqa.reader import leads
from augqa.records import QAExample, Rejection, RoundTripAnswer
from tests.examples import example, generated_context
from tests.nodes.hosts import network, why_not
from tests.readers import CONTEXT, Killed, digest, lessons, train
from tests.tiny import save_encoder

CONFIG = Path("tools/accelerate.yaml")
STUDY = load_params(Path("profiles/study.yaml"))
RECIPES = ["real", *STUDY.regimes]
_SMALLER = 100  # times, than the study: so many examples of the recipes are enough here


def curves(folder: Path) -> dict[str, Any]:
    """Return the losses of each epoch, through the layers written out and through modules."""
    settings: Any = {"batch_size": 6, "epochs": 3, "pass_tokens": 64}
    return {
        precision: train(folder, lessons() * 2, precision=precision, **settings)[1].loss_per_epoch
        for precision in ("float32", "bfloat16")
    }


def curves_of_recipes(folder: Path) -> dict[str, Any]:
    """Return the losses of each epoch for each recipe of the study."""
    return {
        name: train(folder, recipe(name), batch_size=8, epochs=3)[1].loss_per_epoch
        for name in RECIPES
    }


def held_out(folder: Path) -> dict[str, Any]:
    """Return when a training stops that looks at held-out examples; the second finds others."""
    settings: Any = {"epochs": 4, "patience": 1, "held_out_fraction": 0.5}
    with pytest.MonkeyPatch.context() as patch:
        if not leads():
            patch.setattr("augqa.reader.training.f1", lambda *_texts: 0.0)
        report = train(folder, [*lessons(), *pairs(12)], pool=lessons(), **settings)[1]
    return {"f1": report.held_out_f1, "epochs": len(report.loss_per_epoch)}


def resumed(folder: Path) -> dict[str, Any]:
    """Return what becomes of a training that was killed; the first process has its checkpoint."""
    own = folder.parent / f"run-of-{os.environ['RANK']}"
    if leads():
        shutil.copytree(folder.parent / "killed", own)
    reader, report = train(folder, lessons(), epochs=3, resume=own)
    seen = [str(path) for path in own.parent.glob("run-of-*")]
    saved = folder.parent / f"reader-of-{os.environ['RANK']}"
    reader.save(saved)
    return {"losses": report.loss_per_epoch, "folders": seen}


def refused(folder: Path) -> str:
    """Return why processes do not train, each of which has a training set of its own."""
    with pytest.raises(ReaderError) as caught:
        train(folder, lessons()[int(os.environ["RANK"]) :])
    return str(caught.value)


def everything(folder: Path) -> dict[str, Any]:
    """Return what two processes find, which cost more to start than to run."""
    found = {f.__name__: f(folder) for f in (curves, curves_of_recipes, held_out, resumed)}
    return {**found, "refused": refused(folder)}


def recipe(name: str) -> list[QAExample]:
    """Return a training set of one of the study's recipes, a hundredth of its size."""
    knobs = STUDY.blend[name]
    sizes = {
        key: value // _SMALLER
        for key in ("n_examples", "n_real")
        if (value := getattr(knobs, key, None)) is not None
    }
    rejected = [Rejection(id="p0", reason="not_round_trip_consistent")]
    tables: dict[str, list[Any]] = {
        "pool": real("r", STUDY.prepare.n_pool // _SMALLER),
        "reserve": real("v", STUDY.prepare.n_reserve // _SMALLER),
        "kept": pairs(24)[1:],
        "pairs": pairs(24),
        "rejected": rejected,
        "round_trip_answers": [
            RoundTripAnswer(id=pair.id, text=pair.answers[0].text, score=1.0, f1=100.0)
            for pair in pairs(24)
        ],
        "seed_questions": real("r", STUDY.prepare.n_pool // _SMALLER),
        "contexts": [
            generated_context(f"{CONTEXT} She was {n}.", id_=f"r{n}/c0") for n in range(20)
        ],
    }
    of = Materials(name, {key: partial(list, rows) for key, rows in tables.items()})
    made = KINDS.get(knobs.kind).make(of, knobs.model_copy(update=sizes), 1)
    return list(made.examples)


def real(prefix: str, n: int) -> list[QAExample]:
    asked = [(e.context, e.question, e.answers[0].text) for e in lessons()]
    return [
        example(f"{prefix}{i}", context=context, question=question, answer=answer)
        for i, (context, question, answer) in enumerate((asked * n)[:n])
    ]


def pairs(n: int) -> list[QAExample]:
    """Return generated pairs; the contexts are longer and longer, some of two windows."""
    asked = [("who?", "Mary Shelley"), ("when?", "1818"), ("where?", "London")]
    return [
        example(
            f"p{i}",
            context=f"{CONTEXT} " + "He was there. " * i,
            question=asked[i % 3][0],
            answer=asked[i % 3][1],
            origin="generated",
            context_origin="generated",
        )
        for i in range(n)
    ]


def launch(what: str, folder: Path, *options: str) -> list[str]:
    """Return what lets two processes do one of the functions above.

    The first one's result is a file, `found`.
    """
    script = folder.parent / "script.py"
    script.write_text(
        "import json, sys\n"
        "from pathlib import Path\n"
        "from augqa.reader.ranks import leads\n"
        "from tests import test_reader_ranks\n"
        "found = getattr(test_reader_ranks, sys.argv[1])(Path(sys.argv[2]))\n"
        "if leads():\n"
        "    Path(sys.argv[3]).write_text(json.dumps(found))\n"
    )
    launcher = ["-m", "accelerate.commands.launch", "--config_file", str(CONFIG), *options]
    return [sys.executable, *launcher, str(script), what, str(folder), str(folder.parent / "found")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny encoder, beside which a training was killed after two epochs of three."""
    made = tmp_path_factory.mktemp("ranks") / "encoder"
    save_encoder(made)

    def kill(done: int, _loss: float) -> None:
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        train(made, lessons(), epochs=3, resume=made.parent / "killed", on_epoch=kill)
    return made


@pytest.fixture(scope="module")
def two(folder: Path) -> dict[str, Any]:
    """Return what two processes find."""
    finished = subprocess.run(
        launch("everything", folder),
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", *sys.path])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    found: dict[str, Any] = json.loads((folder.parent / "found").read_text())
    return found


def test_two_processes_have_the_loss_curve_of_one(folder: Path, two: dict[str, Any]) -> None:
    one = curves(folder)
    assert two["curves"]["float32"] == pytest.approx(one["float32"], rel=1e-4)
    assert two["curves"]["bfloat16"] == pytest.approx(one["bfloat16"], rel=1e-2)


def test_two_processes_have_the_losses_of_one_for_every_recipe_of_the_study(
    folder: Path, two: dict[str, Any]
) -> None:
    one, found = curves_of_recipes(folder), two["curves_of_recipes"]
    assert set(found) == set(STUDY.blend)
    for name in RECIPES:
        assert found[name] == pytest.approx(one[name], rel=1e-4), name
    # Each is a training of its own: curves are alike where examples are, not everywhere.
    assert len({tuple(curve) for curve in one.values()}) > len(one) // 2


def test_processes_stop_where_the_first_one_would_alone(folder: Path, two: dict[str, Any]) -> None:
    one = held_out(folder)
    assert two["held_out"]["f1"] == pytest.approx(one["f1"])
    assert two["held_out"]["epochs"] == one["epochs"]


def test_processes_that_lack_the_checkpoint_go_on_from_that_of_the_first(
    folder: Path, two: dict[str, Any]
) -> None:
    whole = train(folder, lessons(), epochs=3)[1].loss_per_epoch
    assert two["resumed"]["losses"] == pytest.approx(whole, rel=1e-4)
    # The second one has none.
    assert two["resumed"]["folders"] == [str(folder.parent / "run-of-0")]
    first, second = (digest(folder.parent / f"reader-of-{n}") for n in (0, 1))
    assert first == second


def test_processes_with_unlike_training_sets_are_refused(two: dict[str, Any]) -> None:
    message = "process 1 of 2 has another training set, or other params, than process 0"
    assert two["refused"].startswith(message)


def test_two_machines_have_the_loss_curve_of_one(folder: Path, tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    with network(tmp_path / "network") as made:
        machines = [made.host(f"machine{n}", n + 1) for n in range(2)]
        options = ["--num_machines", "2", "--main_process_ip", machines[0].address]
        options += ["--main_process_port", "29500"]
        logs = [tmp_path / f"{machine.name}.log" for machine in machines]
        running = [
            machine.start(
                launch("curves", folder, *options, "--machine_rank", str(rank)),
                log=logs[rank],
                env={"GLOO_SOCKET_IFNAME": "eth0"},
            )
            for rank, machine in enumerate(machines)
        ]
        for rank, process in enumerate(running):
            assert process.wait(timeout=300) == 0, logs[rank].read_text()
    one, two = curves(folder), json.loads((folder.parent / "found").read_text())
    assert two["float32"] == pytest.approx(one["float32"], rel=1e-4)
