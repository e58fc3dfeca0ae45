"""A study made by hand, to see the pages with: `python -m tests.example_pages DIR` writes them."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from augqa.evidence import (
    METRICS,
    Evidence,
    Plan,
    Planned,
    Scores,
    Sizes,
    Study,
    Sweep,
    gather,
    study_of,
)
from augqa.records import SampledPair
from augqa.report.page import Cost, Provenance, page
from augqa.report.pairs import DisputedQuestion, pairs_page
from augqa.report.quality import quality_of
from augqa.report.recipe_scores import RegimeResult, SetScore
from augqa.report.results import Results, gate, step
from augqa.report.template import write_page
from tests.examples import quality_metrics, reported
from tests.studies import question_set

EXAMPLE = "Made up by hand to show the page: no reader was trained, and nothing here is a result."

# F1 at home and on the shifts.
LEVELS = {
    "real": (82.0, 74.4),
    "real_half": (78.0, 68.0),
    "real_more": (85.0, 79.5),
    "real_longer": (82.1, 74.5),
    "augment": (83.0, 77.8),
    "mix_25": (82.2, 76.0),
    "mix": (81.4, 76.9),
    "mix_75": (78.6, 74.6),
    "generated": (70.0, 62.0),
}
TITLES = {
    "squad": "SQuAD dev",
    "new_wiki": "New Wikipedia",
    "nyt": "New York Times",
    "amazon": "Amazon reviews",
    "reddit": "Reddit",
}
SETS = tuple(TITLES)
PLAN = Plan(
    baseline="real",
    primary=(
        Planned(recipe="augment", against="real_longer"),
        Planned(recipe="augment", against="real_more"),
        Planned(recipe="mix", against="real", control="the same size without a generated pair"),
    ),
    real_sizes={"real_half": 1000, "real": 2000, "real_more": 4000},
    generated={
        "augment": Sizes(n_real=2000, n_generated=2000, cost_per_pair=0.002),
        "mix": Sizes(n_real=1000, n_generated=1000),
    },
    sweeps=(
        Sweep(
            name="fixed size",
            kind="fixed size",
            points={"real": 0.0, "mix_25": 0.25, "mix": 0.5, "mix_75": 0.75, "generated": 1.0},
        ),
    ),
)


def quality() -> dict[str, Any]:
    """Return made-up measures of generated data: some better, some worse than real data."""
    made = quality_metrics()
    measured = {
        "real": (300, 0.46, 0.98, 0.99),
        "shuffled": (300, 0.08, 0.03, 0.99),
        "generated": (260, 0.61, 0.34, 0.91),
        "kept": (150, 0.63, 0.41, 0.96),
    }
    made["seed_questions"] = {
        name: {"n": n, "similarity": cosine, "similarity_std": 0.18, "seed_answer_fraction": holds}
        for name, (n, cosine, holds, _) in measured.items()
    }
    sets = made["questions"]["sets"]
    made["questions"]["sets"] = {
        name: row | {"n": measured[name][0], "near_duplicate_fraction": 1 - measured[name][3]}
        for name, row in sets.items()
    }
    told = {"n": 140, "generated": 0.86, "kept": 0.79}
    made["two_sample_auc"]["questions"]["real"] = told
    asked = ("what", "who", "how many", "when", "which", "other")
    shares = {
        "real": (0.41, 0.14, 0.12, 0.11, 0.10, 0.12),
        "generated": (0.58, 0.17, 0.06, 0.08, 0.04, 0.07),
        "kept": (0.54, 0.19, 0.08, 0.09, 0.05, 0.05),
    }
    made["question_words"] = {n: dict(zip(asked, row, strict=True)) for n, row in shares.items()}
    lengths = ("1", "2", "3", "4 to 5", "6 to 10", "over 10")
    words = {
        "real": (0.33, 0.26, 0.16, 0.13, 0.09, 0.03),
        "generated": (0.45, 0.28, 0.14, 0.09, 0.04, 0.0),
        "kept": (0.49, 0.29, 0.13, 0.07, 0.02, 0.0),
    }
    places = {
        "real": [0.22, 0.21, 0.20, 0.19, 0.18],
        "generated": [0.46, 0.24, 0.14, 0.10, 0.06],
        "kept": [0.42, 0.25, 0.15, 0.11, 0.07],
    }
    made["answers"] = {
        name: {
            "n": measured[name][0],
            "mean_words": 2.4,
            "words": dict(zip(lengths, row, strict=True)),
            "position": places[name],
        }
        for name, row in words.items()
    }
    return made


def study(*, recipes: Sequence[str] = tuple(LEVELS), n_seeds: int = 3) -> Study:
    """Return scores that scatter over articles and seeds, the same at each call."""
    rng = np.random.default_rng(7)
    clusters = np.repeat(np.arange(40), 6)
    sets = [question_set(name, clusters.tolist()) for name in SETS]
    common = {name: rng.normal(0, 12, len(clusters)) for name in SETS}
    runs: dict[str, dict[int, dict[str, Scores]]] = {}
    for recipe in recipes:
        own = {name: rng.normal(0, 1.5, 40)[clusters] for name in SETS}
        runs[recipe] = {}
        for seed in range(1, n_seeds + 1):
            moved = rng.normal(0, 0.35)
            runs[recipe][seed] = {}
            for one in sets:
                level = LEVELS[recipe][one.name != "squad"]
                f1 = level + common[one.name] + own[one.name] + moved
                f1 = np.clip(f1, 0, 100)
                runs[recipe][seed][one.name] = Scores(ids=one.ids, f1=f1, exact_match=0.8 * f1)
    return study_of(sets, runs)


def evidence(made: Study, plan: Plan = PLAN) -> Evidence:
    """Return what the study says."""
    return gather(made, plan)


def results(made: Study) -> Results:
    """Return the same scores as the results table holds them."""
    means = {metric: made.run_means(metric) for metric in METRICS}
    regimes = []
    for place, recipe in enumerate(made.recipes):
        runs = [k for k, of in enumerate(made.recipe_of_run) if of == place]
        regimes.append(
            RegimeResult(
                regime=recipe,
                runs=tuple(
                    {
                        name: SetScore(
                            exact_match=float(means["exact_match"][k, n]),
                            f1=float(means["f1"][k, n]),
                        )
                        for n, name in enumerate(made.sets)
                    }
                    for k in runs
                ),
                shifts=tuple(name for name in made.sets if name != "squad"),
                n_real=2000,
                n_generated=2000 * (recipe == "augment"),
                left_out={"not_chosen": 7},
            )
        )
    return Results(
        regimes=tuple(regimes),
        test_sets=tuple(
            replace(one, title=TITLES[one.name]) for one in reported() if one.name in made.sets
        ),
        n_questions=dict.fromkeys(made.sets, 240),
        seeds=made.seeds[made.recipes[0]],
    )


PROVENANCE = Provenance(
    source="rajpurkar/squad (default, train) of the hub",
    sample=False,
    trained_on=None,
    reader="FacebookAI/roberta-base",
    language_model="an-example-model",
    provider="openai",
    question_generator="an-example-model",
    licences=(
        "training set; SQuAD dev: CC-BY-SA-4.0 (Rajpurkar et al. 2016)",
        "My forum: not stated",
    ),
)
STEPS = [
    step("seed questions", {"n_seed_questions": 2000}, count="n_seed_questions"),
    step(
        "contexts",
        {
            "n_contexts": 1950,
            "n_failed": {"truncated": 38, "empty": 12},
            "prompt_tokens": 840_000,
            "completion_tokens": 310_000,
            "list_cost_usd": 1.37,
        },
        count="n_contexts",
        dropped="n_failed",
    ),
    step(
        "pairs",
        {"n_pairs": 3900, "n_rejected": {"answer_not_in_context": 410}},
        count="n_pairs",
        dropped="n_rejected",
    ),
    step(
        "kept pairs",
        {"n_kept": 2000, "n_rejected": {"not_round_trip_consistent": 1500, "duplicate": 400}},
        count="n_kept",
        dropped="n_rejected",
    ),
]
GATES = [
    gate(
        "kept",
        {
            "gates/kept.html": {
                "success": True,
                "n_rows": 2000,
                "expectations": {
                    "ids_are_unique": {"success": True, "severity": "critical"},
                    "questions_look_asked": {"success": False, "severity": "warning"},
                },
            }
        },
    )
]


def sampled(**fields: Any) -> SampledPair:
    """Return a pair to look at."""
    made: dict[str, Any] = {
        "id": "q1/c1/p0",
        "kept": True,
        "reason": None,
        "detail": "",
        "seed_question": "Who wrote Frankenstein?",
        "question": "In which year was the novel published?",
        "answer": "1818",
        "context": "Mary Shelley wrote the novel near Geneva.\nIt was published in 1818 in London.",
        "round_trip_answer": "1818",
        "round_trip_f1": 100.0,
    }
    made |= fields
    made.setdefault("answer_start", made["context"].find(made["answer"]))
    return SampledPair(**made)


PAIRS = [
    sampled(),
    sampled(
        id="q2/c1/p0",
        seed_question="What did the Normans build?",
        question="What stood on the hill above the harbour?",
        answer="a stone tower",
        context="The harbour is old. On the hill above it stood a stone tower, later a church.",
        round_trip_answer="stone tower",
    ),
    sampled(
        id="q3/c1/p1",
        kept=False,
        reason="not_round_trip_consistent",
        detail="40.0, at least 60",
        question="Who led the second voyage?",
        answer="the younger brother",
        context="The elder led the first voyage, the younger brother the second one.",
        round_trip_answer="the elder",
        round_trip_f1=40.0,
    ),
    sampled(
        id="q4/c1/p0",
        kept=False,
        reason="answer_in_question",
        detail="Ada",
        question="Did Ada win?",
        answer="Ada",
        context="Ada won the boat race in spring.",
        round_trip_answer="Ada",
    ),
    sampled(
        id="q5/c1/p0",
        kept=False,
        reason="not_round_trip_consistent",
        detail="0.0, at least 60",
        question="متى بُني الجسر؟",
        answer="عام 1931",
        context="بُني الجسر عام 1931 فوق النهر.",
        round_trip_answer="",
        round_trip_f1=0.0,
    ),
]
DISPUTED = [
    DisputedQuestion(
        id="amazon-7",
        test_set="amazon",
        question="How long did the battery last?",
        context="I took it on two trips. The battery lasted nine hours, the charger two days.",
        golds=("nine hours",),
        winner="augment",
        loser="real_longer",
        f1=(100.0, 0.0),
        said=("nine hours", "two days"),
    ),
    DisputedQuestion(
        id="nyt-3",
        test_set="nyt",
        question="Who wrote the letter?",
        context="The letter, which the mayor read aloud, was written by his sister.",
        golds=("his sister",),
        winner="real_longer",
        loser="augment",
        f1=(100.0, 0.0),
        said=("his sister", "the mayor"),
    ),
]


def report_page(**changed: Any) -> str:
    """Return the report of the study; arguments of `page` may be changed."""
    made = changed.pop("study", None) or study()
    given: dict[str, Any] = {
        "evidence": evidence(made) if "evidence" not in changed else changed.pop("evidence"),
        "provenance": PROVENANCE,
        "cost": Cost(
            prompt_tokens=840_000,
            completion_tokens=310_000,
            list_cost_usd=1.37,
            n_trainings=27,
        ),
        "steps": STEPS,
        "gates": GATES,
        "quality": quality_of(quality()),
        "pairs_page": "pairs.html",
    }
    found = changed.pop("found", None) or results(made)
    return page(found, **(given | changed))


def main(folder: Path) -> None:
    """Write both pages into a folder."""
    report = report_page(example=EXAMPLE, commit="0000000", date="2026-01-31")
    write_page(folder / "index.html", report)
    write_page(folder / "pairs.html", pairs_page(PAIRS, DISPUTED, example=EXAMPLE))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
