"""A training killed at any moment goes on to the same bytes."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from augqa.reader.resuming import save_progress
from tests.readers import Killed, digest, lessons, train
from tests.tiny import encoder

__all__ = ["encoder"]  # the fixture


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_killed_training_goes_on_to_the_same_bytes(
    encoder: Path, tmp_path: Path, epoch: int
) -> None:
    train(encoder, lessons(), epochs=3)[0].save(tmp_path / "whole")

    def kill(done: int, _loss: float) -> None:
        if done == epoch:
            raise Killed

    with pytest.raises(Killed):
        train(encoder, lessons(), epochs=3, resume=tmp_path / "run", on_epoch=kill)
    seen: list[int] = []
    resumed, _ = train(
        encoder,
        lessons(),
        epochs=3,
        resume=tmp_path / "run",
        on_epoch=lambda done, _: seen.append(done),
    )
    resumed.save(tmp_path / "resumed")
    assert seen == [1, 2, 3]
    assert digest(tmp_path / "whole") == digest(tmp_path / "resumed")
    assert os.listdir(tmp_path / "run") == ["step-000000009"]


def test_a_training_killed_inside_an_epoch_goes_on_to_the_same_bytes(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, expected = train(encoder, lessons())
    whole.save(tmp_path / "whole")
    monkeypatch.setattr("augqa.reader.training._SAVE_EVERY_S", -1.0)
    saves = []

    def kill_inside_epoch_two(*arguments: Any) -> None:
        saves.append(arguments)
        save_progress(*arguments)
        if len(saves) == 5:  # steps 1, 2, 3, end of epoch 1, step 4: next is step 5 of 6
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("augqa.reader.training.save_progress", kill_inside_epoch_two)
        with pytest.raises(Killed):
            train(encoder, lessons(), resume=tmp_path / "run")
    resumed, report = train(encoder, lessons(), resume=tmp_path / "run")
    resumed.save(tmp_path / "resumed")
    assert report.loss_per_epoch == expected.loss_per_epoch
    assert digest(tmp_path / "whole") == digest(tmp_path / "resumed")


def train_to_the_end(encoder: Path, run: Path, saved: Path) -> None:
    # Negative: a checkpoint after every step, so that kills fall into its writing as well.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("augqa.reader.training._SAVE_EVERY_S", -1.0)
        train(encoder, lessons() * 4, epochs=12, resume=run)[0].save(saved)


def steps_done(run: Path) -> int:
    names = [path.name for path in run.glob("step-*") if path.suffix != ".partial"]
    return max((int(name.removeprefix("step-")) for name in names), default=0)


def test_sigkill_at_any_moment_changes_no_byte_of_the_weights(
    encoder: Path, tmp_path: Path
) -> None:
    train(encoder, lessons() * 4, epochs=12)[0].save(tmp_path / "whole")
    arguments = (encoder, tmp_path / "run", tmp_path / "resumed")
    # Its server imports torch once for all four processes.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    moments = random.Random()  # no seed: any moment must do
    for _ in range(3):
        child = context.Process(target=train_to_the_end, args=arguments)
        child.start()
        wanted = steps_done(arguments[1]) + moments.randint(1, 25)
        while child.is_alive() and steps_done(arguments[1]) < wanted:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.02))
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL  # before its end
    last = context.Process(target=train_to_the_end, args=arguments)
    last.start()
    last.join()
    assert last.exitcode == 0
    assert digest(tmp_path / "whole") == digest(tmp_path / "resumed")
