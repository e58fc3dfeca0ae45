"""Scores reduced to sums over articles, and refused by name where they do not fit together."""

import numpy as np
import pytest

from augqa.errors import EvidenceError
from augqa.evidence import QuestionSet, Scores, study_of, study_of_runs
from augqa.evidence.scores import only_articles, side_by_side
from tests.studies import golden, question_set, scores, study


def test_a_study_keeps_the_sums_over_articles() -> None:
    found = golden()
    assert found.sums["f1"]["amazon"].tolist() == [[160, 80], [120, 40], [60, 40], [40, 20]]
    assert found.sums["exact_match"]["amazon"].tolist()[0] == [80, 40]
    assert found.run_means("f1")[:, 0].tolist() == [60, 40, 25, 15]
    assert found.mean_over_seeds(found.run_means("f1"))[:, 0].tolist() == [50, 20]


def test_articles_need_not_stand_together() -> None:
    (one,) = (question_set("amazon", [1, 0, 1]),)
    found = study([one], {"real": [{"amazon": [10, 20, 30]}]})
    assert found.sums["f1"]["amazon"].tolist() == [[20, 40]]
    assert found.sets["amazon"].n_questions.tolist() == [1, 2]


def test_recipes_may_have_unequal_numbers_of_seeds() -> None:
    (one,) = (question_set("amazon", [0, 1]),)
    runs = {"a": [{"amazon": [10, 20]}], "b": [{"amazon": [30, 30]}, {"amazon": [50, 50]}]}
    found = study([one], runs)
    assert found.n_seeds.tolist() == [1, 2]
    assert found.mean_over_seeds(found.run_means("f1"))[:, 0].tolist() == [15, 40]


def test_seeds_are_ordered_whatever_order_runs_come_in() -> None:
    one = question_set("amazon", [0])
    runs = [("b", 2, {"amazon": scores(one, [2])}), ("a", 1, {"amazon": scores(one, [9])})]
    runs.append(("b", 1, {"amazon": scores(one, [1])}))
    found = study_of_runs([one], iter(runs))
    assert found.seeds == {"b": (1, 2), "a": (1,)}
    assert found.run_means("f1")[:, 0].tolist() == [1, 2, 9]


def test_single_precision_sums_as_double() -> None:
    one = question_set("amazon", [0] * 3)
    f1 = np.array([100.0, 200 / 3, 0.0], dtype=np.float32)
    found = study_of([one], {"real": {1: {"amazon": Scores(ids=one.ids, f1=f1, exact_match=f1)}}})
    assert found.sums["f1"]["amazon"].dtype == np.float64
    assert found.sums["f1"]["amazon"][0, 0] == pytest.approx(500 / 3, rel=1e-6)


@pytest.mark.parametrize(
    ("ids", "f1", "message"),
    [
        (("amazon-0",), [1.0], "recipe mix, seed 3, set amazon: 1 questions, but the set has 2"),
        (
            ("amazon-0", "amazon-7"),
            [1.0, 2.0],
            "set amazon: question 'amazon-7' stands where the set has 'amazon-1'",
        ),
        (("amazon-1", "amazon-0"), [1.0, 2.0], "question 'amazon-1' stands where"),
        (("amazon-0", "amazon-1"), [1.0], r"f1 has the shape \(1,\)"),
        (("amazon-0", "amazon-1"), [1.0, 100.1], "f1 of question 'amazon-1' is 100.1"),
        (("amazon-0", "amazon-1"), [-1.0, 1.0], "f1 of question 'amazon-0' is -1.0"),
        (("amazon-0", "amazon-1"), [1.0, float("nan")], "f1 of question 'amazon-1' is nan"),
    ],
)
def test_scores_that_do_not_fit_are_named(
    ids: tuple[str, ...], f1: list[float], message: str
) -> None:
    one = question_set("amazon", [0, 1])
    wrong = Scores(ids=ids, f1=np.array(f1), exact_match=np.zeros(2))
    with pytest.raises(EvidenceError, match=message):
        study_of([one], {"mix": {3: {"amazon": wrong}}})


def test_a_run_without_a_set_is_named() -> None:
    sets = [question_set("amazon", [0]), question_set("nyt", [0])]
    with pytest.raises(EvidenceError, match="recipe mix, seed 3: it was measured on amazon, the"):
        study_of(sets, {"mix": {3: {"amazon": scores(sets[0], [1])}}})


def test_a_run_that_comes_twice_is_named() -> None:
    one = question_set("amazon", [0])
    runs = [("mix", 3, {"amazon": scores(one, [1])})] * 2
    with pytest.raises(EvidenceError, match="recipe mix, seed 3: it came twice"):
        study_of_runs([one], runs)


def test_a_set_that_comes_twice_is_named() -> None:
    one, other = question_set("amazon", [0]), question_set("nyt", [0])
    with pytest.raises(EvidenceError, match="test set amazon: it is there more than once"):
        study_of([other, one, one], {"mix": {1: {"amazon": scores(one, [1])}}})


def test_a_set_has_not_the_name_of_the_mean_over_shifts() -> None:
    with pytest.raises(EvidenceError, match="the name of the mean over all shifts"):
        question_set("shifts", [0])


def test_a_study_of_nothing_is_refused() -> None:
    with pytest.raises(EvidenceError, match="no test set"):
        study_of([], {})
    with pytest.raises(EvidenceError, match="no run"):
        study_of([question_set("amazon", [0])], {})


@pytest.mark.parametrize(
    ("ids", "clusters", "articles", "message"),
    [
        ([], [], (), "it has no question"),
        (["a", "b"], [0], (), r"2 questions, but the articles have the shape \(1,\)"),
        (["a", "b"], [0, 2], (), "article 1 has no question"),
        (["a", "b"], [-1, 0], (), "articles are counted from 0"),
        (["a", "b"], [0.0, 1.0], (), "articles are counted from 0, found float64"),
        (["a", "a"], [0, 1], (), "question 'a' is there more than once"),
        (["b", "a", "a"], [0, 1, 1], (), "question 'a' is there more than once"),
        (["a", "b"], [0, 1], ("X",), "2 articles, but 1 names"),
        (["a", "b"], [0, 1], ("X", "X"), "article 'X' is there more than once"),
        (["a", "b", "c"], [0, 1, 2], ("Y", "X", "X"), "article 'X' is there more than once"),
    ],
)
def test_a_set_that_does_not_fit_together_is_refused(
    ids: list[str], clusters: list[float], articles: tuple[str, ...], message: str
) -> None:
    with pytest.raises(EvidenceError, match=f"test set amazon: {message}"):
        QuestionSet(
            name="amazon", role="shift", ids=ids, clusters=np.array(clusters), articles=articles
        )


def test_articles_of_equal_size_count_in_full() -> None:
    one = question_set("amazon", [0, 0, 1, 1])
    assert study([one], {"real": [{"amazon": [1] * 4}]}).sets["amazon"].n_effective == 2
    other = question_set("amazon", [0, 0, 0, 1])
    found = study([other], {"real": [{"amazon": [1] * 4}]}).sets["amazon"].n_effective
    assert found == pytest.approx(16 / 10)


def test_sets_that_name_the_same_article_are_one_group() -> None:
    sets = [
        question_set("squad", [0, 1], ["Oslo", "Lima"]),
        question_set("nyt", [0, 1], ["Riga", "Bern"]),
        question_set("amazon", [0, 1]),
        question_set("attacked", [0, 1], ["Cairo", "Lima"]),
    ]
    found = study(sets, {"real": [{one.name: [1, 2] for one in sets}]})
    assert sorted(map(sorted, found.groups())) == [["amazon"], ["attacked", "squad"], ["nyt"]]


def test_a_set_is_split_by_its_articles() -> None:
    found = golden()
    first = only_articles(found, {"amazon": np.array([True, False])}, suffix=" 1")
    rest = only_articles(found, {"amazon": np.array([False, True])}, suffix=" 2")
    both = side_by_side(first, rest)
    assert list(both.sets) == ["amazon 1", "amazon 2"]
    assert both.run_means("f1").tolist() == [[80, 40], [60, 20], [30, 20], [20, 10]]
