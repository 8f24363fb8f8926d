"""What the page says about numbers, schemas and votes, without a page."""

from dataclasses import replace

import pytest

from concord.tasks.schema import Feature
from concord.types.answers import Pool
from concord.types.tasks import TaskSummary
from frontend.charts import theme, votes
from frontend.components import form, vote_table
from frontend.text import wording
from tests.unit.frontend.fake_service import FLOWER, LOAN, loan_verdict, no_quorum, silent, verdict, vote


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, "0%"), (0.0001, "0.1%"), (0.004, "0.4%"), (0.254, "25%"), (0.5, "50%"), (0.9949, "99.5%"),
        (0.99999, "99.9%"), (1.0, "100%"),
    ],
)  # fmt: skip
def test_a_share_is_never_rounded_to_certainty(share, expected):
    assert wording.format_share(share) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.1, "0.1"), (30.0, "30"), (1e11, "100,000,000,000"), (-2.5, "-2.5"), (-0.0, "0")],
)
def test_a_number_has_its_thousands_apart_and_no_needless_decimals(value, expected):
    assert wording.format_number(value) == expected


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (Feature("x", "number", 1.0, "cm", 0.1, 30), "0.1 to 30 cm"),
        (Feature("x", "integer", 1, "a", 18), "whole number, at least 18 years"),
        (Feature("x", "number", 1.0, "", None, 5), "at most 5"),
        (Feature("x", "number", 1.0), "any number"),
        (Feature("x", "choice", "a", choices=("a", "b")), "a or b"),
        (Feature("x", "choice", "a", choices=tuple("abcd")), "one of 4"),
    ],
)
def test_an_input_says_what_it_admits(feature, expected):
    assert wording.describe_range(feature) == expected


def test_a_column_is_named_as_people_write():
    assert (
        wording.format_feature(Feature("revenu_estime_mois", "integer", 1, "EUR"))
        == "Revenu estime mois (EUR)"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b", r"a\_b"),
        ("5 $ and 6 $", r"5 \$ and 6 \$"),
        ("# no heading", r"\# no heading"),
        ("- no list", r"\- no list"),
        ("back\\slash", r"back\\slash"),
        ("Length (cm), 0.1 - 30!", "Length (cm), 0.1 - 30!"),
    ],
)
def test_text_of_others_loses_its_markup_and_nothing_else(text, expected):
    assert wording.escape(text) == expected


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(1.0, "almost certain"), (0.8, "fairly sure"), (0.7, "leaning that way"), (0.4, "a close call")],
)
def test_a_probability_is_said_in_words(probability, expected):
    assert wording.describe_certainty(probability) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(1.0, "all of it"), (0.9, "a large majority"), (0.5, "a majority"), (0.4, "less than half")],
)
def test_agreement_is_said_in_words(share, expected):
    assert wording.describe_agreement(share) == expected


def test_no_two_looks_differ_by_colour_alone():
    for looks in (wording.TONES, wording.OUTCOMES):
        assert len({reading.symbol for reading in looks.values()}) == len(looks)
        assert len({reading.icon for reading in looks.values()}) == len(looks)


def test_a_label_that_the_schema_does_not_know_is_neutral():
    assert wording.answer_badge(FLOWER, verdict(label="daisy")).word == "neutral"


def test_what_stake_does_is_said():
    content = [
        wording.describe_settlement(verdict(settlement=kind, block=7)) for kind in ("none", "due", "settled")
    ]
    assert [*content, wording.describe_settlement(no_quorum())] == [
        "stake moves when its label comes",
        "stake moves with the next block",
        "stake moved in block 7",
        "no stake moves by it",
    ]


def test_who_was_not_to_count_is_named_apart_from_who_failed():
    votes_cast = [vote("knn"), vote("tree", outcome="late"), vote("liar", outcome="shadow")]
    assert [vote_.node for vote_ in wording.select_voters(votes_cast)] == ["knn", "tree"]
    assert len(wording.describe_absent(votes_cast)) == 1
    [line] = wording.describe_non_voters(votes_cast)
    assert "**liar** is **a shadow**" in line


def test_every_way_of_pooling_has_its_words():
    for method in ("weighted_mean", "weighted_median", "stake_mean", "linear"):
        assert wording.describe_pooling(Pool(method))


def test_the_votes_are_told_to_those_who_do_not_see_the_picture():
    votes_ = [vote("forest", weight=0.6), silent("knn", "late")]
    content = wording.describe_votes(FLOWER, verdict(votes=votes_))
    assert content == "Votes of the nodes. forest, weight 60%: rose 90%; knn: late."


def test_values_are_told_with_their_unit():
    assert "tree, weight 20%: 14,000.00 EUR" in wording.describe_votes(LOAN, loan_verdict())


def test_a_title_alone_names_a_task_where_it_is_the_only_one():
    vote_ = TaskSummary("iris", "Iris", "", "wager", ready=True, nodes=1, nodes_up=1)
    assert wording.format_task(vote_, [vote_]) == "Iris"
    assert wording.format_task(vote_, [vote_, replace(vote_, task="workshop")]) == "Iris (iris)"


def test_the_parts_of_each_bar_follow_each_other_and_end_at_one():
    parts = votes.list_bar_parts(FLOWER, verdict())
    forest = [part for part in parts if part["who"].startswith("forest")]
    assert [(part["start"], part["end"]) for part in forest] == [(0.0, 0.9), (0.9, pytest.approx(1.0))]


def test_the_consensus_is_the_first_bar_and_absent_nodes_have_none():
    base = verdict(votes=[vote("forest"), silent("knn", "late")])
    assert list(dict.fromkeys(part["who"] for part in votes.list_bar_parts(FLOWER, base))) == [
        "Consensus\nall votes",
        "forest\nweight 34%",
    ]


def test_a_heavier_vote_has_a_larger_dot():
    dots = votes.list_dots(LOAN, loan_verdict())
    assert [dot["thickness"] for dot in dots] == pytest.approx([1, 0.6, 0.4])


@pytest.mark.parametrize(("schema", "made"), [(FLOWER, verdict()), (LOAN, loan_verdict())])
def test_every_picture_is_a_valid_chart(schema, made):
    chart = votes.draw_votes(schema, made).to_dict()
    assert len(chart["layer"]) == 2


def test_equal_values_still_have_an_axis():
    same = loan_verdict()
    same = replace(same, votes=[replace(vote_, value=same.value) for vote_ in same.votes])
    low, high = votes.draw_votes(LOAN, same).to_dict()["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert low < same.value < high


def test_a_class_name_cannot_bring_markup_into_the_legend():
    evil = replace(FLOWER, labels=(replace(FLOWER.labels[0], name="<script>"), FLOWER.labels[1]))
    assert "<script>" not in votes.votes_legend(evil, verdict())


def _luminance(colour):
    def linear(channel):
        share = int(channel, 16) / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(colour[i : i + 2]) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", theme.PALETTE)
def test_white_text_is_readable_on_every_bar(colour):
    assert 1.05 / (_luminance(colour) + 0.05) >= 4.5


@pytest.mark.parametrize("colour", theme.PALETTE)
def test_every_bar_stands_out_from_a_dark_page(colour):
    assert (_luminance(colour) + 0.05) / (_luminance("#171614") + 0.05) >= 2.5


def test_a_share_on_a_bar_is_never_rounded_to_certainty():
    base = verdict(votes=[vote("forest", sure=0.998)])
    assert "99.8%" in [part["written"] for part in votes.list_bar_parts(FLOWER, base)]


def test_without_a_consensus_the_table_has_no_weights():
    assert {row["Weight"] for row in vote_table.list_vote_rows(FLOWER, no_quorum())} == {None}


@pytest.mark.parametrize(
    ("feature", "step"),
    [
        (Feature("x", "number", 5.1), 0.1), (Feature("x", "number", 0.2), 0.01),
        (Feature("x", "number", 0.0), 0.1),
        (Feature("x", "integer", 605), 10), (Feature("x", "integer", 5), 1), (Feature("x", "integer", 0), 1),
    ],
)  # fmt: skip
def test_a_step_is_a_tenth_of_the_examples_size(feature, step):
    assert form._step(feature) == pytest.approx(step)
