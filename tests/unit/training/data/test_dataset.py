"""A file that cannot be learned from is refused with its column, its line and the remedy."""

from dataclasses import replace

import numpy as np
import pytest

from concord.errors import DataError, InvalidInput
from concord.tasks.schema import Feature, Label, TaskSchema
from training.data import dataset
from training.data.split import split
from training.task import Answer, Rule
from training.tasks import select

IRIS = "sepal_length,sepal_width,petal_length,petal_width,species"
FILM = "budget,revenue,runtime,vote_count,evaluation"
PERSON = (
    "nom,prenom,age,taille,poids,sexe,sport_licence,niveau_etude,region,smoker,"
    "nationalité_francaise,revenu_estime_mois,montant_pret"
)


def person(**cells: str) -> str:
    row = {
        "nom": "Fleury", "prenom": "André", "age": "58", "taille": "175.0", "poids": "67.9", "sexe": "H",
        "sport_licence": "oui", "niveau_etude": "bac+2", "region": "Corse", "smoker": "oui",
        "nationalité_francaise": "oui", "revenu_estime_mois": "3277", "montant_pret": "6705.14",
    }  # fmt: skip
    return ",".join((row | cells).values())


def refusal(read_file, of: str, *lines: str, **how) -> DataError:
    with pytest.raises(DataError) as caught:
        read_file(of, *lines, **how)
    return caught.value


def test_a_missing_column_is_named_with_the_one_that_looks_like_it(read_file):
    error = refusal(read_file, "iris", IRIS.replace("petal_width", "petal_widht"), "5.1,3.5,1.4,0.2,setosa")
    assert error.field == "petal_width"
    assert error.message == "rows.csv has no column 'petal_width'. Is it 'petal_widht'? Then rename that one."


def test_a_missing_answer_is_a_missing_column_too(read_file):
    error = refusal(read_file, "iris", "sepal_length,sepal_width,petal_length,petal_width", "5.1,3.5,1.4,0.2")
    assert error.field == "species"


def test_a_wrong_type_is_named_with_its_line_as_an_editor_counts(read_file):
    error = refusal(read_file, "iris", IRIS, "5.1,3.5,1.4,0.2,setosa", "", "5.1,wide,1.4,0.2,setosa")
    assert error.field == "sepal_width"
    assert error.message == (
        "rows.csv, line 4, column 'sepal_width': sepal_width must be a number, not the text 'wide'. "
        "Correct the cell, or remove the row."
    )


@pytest.mark.parametrize("cell", ["inf", "-inf", "true", "1_000", "0x10", "1 000", "１"])
def test_a_text_that_only_looks_like_a_number_is_refused(read_file, cell):
    assert refusal(read_file, "iris", IRIS, f"5.1,{cell},1.4,0.2,setosa").field == "sepal_width"


def test_a_decimal_comma_gets_its_own_hint(read_file):
    error = refusal(read_file, "iris", IRIS, '5.1,"3,5",1.4,0.2,setosa')
    assert "Decimals are written with a point." in error.message


def test_a_number_out_of_range_is_named_with_the_range(read_file):
    error = refusal(read_file, "iris", IRIS, "51,3.5,1.4,0.2,setosa")
    assert "line 2" in error.message
    assert "from 0.1 to 30 cm, not 51.0" in error.message


NAMIBIA = TaskSchema(
    "damage",
    "Damage",
    "How bad it is.",
    (Feature("x", "number", 1.0), Feature("country", "choice", "DE", choices=("DE", "FR", "NA"))),
    (Label("None", "None."), Label("Mild", "Mild."), Label("Severe", "Severe.")),
)


def test_a_choice_and_a_class_that_look_empty_are_read_since_they_are_declared(task, csv_file):
    """`namibia.csv` and `trap_choice_None.csv`."""
    damage = replace(task("iris"), schema=NAMIBIA, answers=(Answer("damage"),), pinned=(), rules={})
    file = csv_file("x,country,damage", "0.8,DE,None", "0.3,NA,Mild", "0.4,NA,None", "n/a,DE,Mild")
    data = dataset.read_file(damage, file)
    assert (data.rows[:, 1].tolist(), data.answers.tolist()) == ([0, 2, 2], [0, 1, 0])
    assert data.dropped == {"x": 1}


def test_a_whole_numbers_class_is_read_with_a_fraction_of_zero(task, read_file):
    """`label_float.csv`: as pandas writes a column with a gap."""
    header = ",".join([feature.name for feature in task("loan_default").schema.features] + ["default"])
    row = "0,5221.5,3915.4,78039.3,5,605,"
    data = read_file("loan_default", header, row + "0.0", row + "1.0", row)
    assert (data.answers.tolist(), data.dropped) == ([0, 1], {"default": 1})


def test_a_class_in_another_unicode_form_is_the_same(task, csv_file):
    """`nfd.csv`, for labels."""
    names = (Label("e\u0301leve\u0301", "High."), Label("bas", "Low."))
    level = replace(NAMIBIA, labels=names, features=NAMIBIA.features[:1])
    high = replace(task("iris"), schema=level, answers=(Answer("niveau e\u0301"),), pinned=(), rules={})
    data = dataset.read_file(high, csv_file("x,niveau é", "1,élevé", "2,e\u0301leve\u0301", "3,bas"))
    assert data.answers.tolist() == [0, 0, 1]


@pytest.mark.parametrize("cell", ["<NA>", "#N/A", "n/a", "nan"])
def test_what_other_tools_write_for_nothing_is_an_empty_cell(read_file, cell):
    data = read_file("iris", IRIS, f"{cell},3.5,1.4,0.2,setosa", "5.1,3.5,1.4,0.2,setosa")
    assert (len(data.rows), data.dropped) == (1, {"sepal_length": 1})


def test_signs_between_thousands_are_named_with_what_to_write(read_file):
    """`thousands.csv`."""
    assert "Write 1234." in refusal(read_file, "iris", IRIS, '"1,234",3.5,1.4,0.2,setosa').message


def test_decimal_commas_are_read_where_semicolons_separate(read_file):
    data = read_file("iris", IRIS.replace(",", ";"), "5,1;3,5;1,4;0,2;setosa")
    assert data.rows.tolist() == [pytest.approx([5.1, 3.5, 1.4, 0.2])]


def test_an_unknown_choice_is_named_with_the_one_that_looks_like_it(read_file):
    error = refusal(read_file, "loan_amount", PERSON, person(region="Provence-Alpes-Côte d'Azur"))
    assert error.field == "region"
    assert error.message.endswith("Is it 'Provence-Alpes-Côte d’Azur'?")


def test_an_unknown_label_is_refused_with_those_there_are(read_file):
    error = refusal(read_file, "film_rating", FILM, "1000,1000,90,10,bon")
    assert error.field == "evaluation"
    assert "'bon' is none of bien, moyen, mediocre" in error.message


@pytest.mark.parametrize("amount", ["1e999", "-1e999", "1e39"])
def test_a_value_that_is_not_finite_is_no_answer_to_learn_from(read_file, amount):
    error = refusal(read_file, "loan_amount", PERSON, person(), person(montant_pret=amount))
    assert error.field == "montant_pret"
    assert error.message == (
        "rows.csv, line 3, column 'montant_pret': montant_pret must be a finite number. "
        "Correct the cell, or remove the row."
    )


def test_a_mean_vote_that_is_not_finite_is_not_graded(read_file):
    header = FILM.replace("evaluation", "vote_average")
    error = refusal(read_file, "film_rating", header, "1000,1000,90,10,1e999")
    assert (error.field, "must be a finite number" in error.message) == ("vote_average", True)


def test_an_empty_file_is_refused(read_file):
    assert refusal(read_file, "iris", "").message.startswith("rows.csv is empty.")


def test_a_header_without_rows_is_refused(read_file):
    assert "has a header and no rows" in refusal(read_file, "iris", IRIS).message


def test_a_file_whose_rows_are_all_dropped_names_the_column_to_fill_in(read_file):
    error = refusal(read_file, "film_rating", FILM, "0,1000,90,10,bien", "0,1000,91,10,moyen")
    assert error.field == "budget"
    assert "is empty in 2 of 2" in error.message


def test_a_file_in_another_encoding_is_refused_with_its_line(read_file):
    error = refusal(read_file, "loan_amount", PERSON.replace("é", "e"), person(), encoding="latin-1")
    assert error.message == "rows.csv is not UTF-8 (line 2). Save it as CSV UTF-8."


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_other_separators_are_recognised(read_file, sign):
    data = read_file("iris", IRIS.replace(",", sign), "5.1,3.5,1.4,0.2,setosa".replace(",", sign))
    assert data.rows.tolist() == [pytest.approx([5.1, 3.5, 1.4, 0.2])]


@pytest.mark.parametrize("line", ["5.1,3.5,1.4,0.2", "5.1,3.5,1.4,0.2,setosa,"])
def test_a_ragged_line_is_refused_with_its_number(read_file, line):
    error = refusal(read_file, "iris", IRIS, "5.1,3.5,1.4,0.2,setosa", line)
    assert error.message.startswith("rows.csv, line 3: ")


def test_a_column_named_twice_is_refused(read_file):
    error = refusal(read_file, "iris", IRIS + ",species", "5.1,3.5,1.4,0.2,setosa,setosa")
    assert error.field == "species"


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        dataset.read_file(select(["iris"])[0], tmp_path / "none.csv")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        dataset.read_file(select(["iris"])[0], tmp_path)


def test_a_quote_that_never_ends_is_refused(read_file):
    assert "no CSV file" in refusal(read_file, "iris", IRIS, '5.1,"3.5,1.4,0.2,setosa').message


def test_one_class_is_refused_by_its_name(task, read_file):
    data = read_file("iris", IRIS, *(f"5.{place},3.5,1.4,0.2,setosa" for place in range(20)))
    with pytest.raises(
        DataError, match=r"one class only, 'setosa'.*Add rows of versicolor, virginica"
    ) as caught:
        split(task("iris"), data, 42)
    assert caught.value.field == "species"


def test_a_class_with_too_few_rows_is_refused_with_how_many_it_needs(task, read_file):
    rows = [f"{place}.1,3.5,1.4,0.2,{label}" for place in range(1, 21) for label in ("setosa", "virginica")]
    data = read_file("iris", IRIS, *(row.replace("3.5", "4.5") if "set" in row else row for row in rows))
    with pytest.raises(DataError, match=r"0 rows of class 'versicolor'.*until there are 10"):
        split(task("iris"), data, 42)


def test_names_of_persons_are_dropped_on_reading(read_file):
    data = read_file("loan_amount", PERSON, person())
    assert data.ignored == ("nom", "prenom")
    assert data.rows.shape == (1, 10)


def test_a_choice_becomes_its_place_among_the_choices(task, read_file):
    data = read_file("loan_amount", PERSON, person(niveau_etude="master"))
    place = [feature.name for feature in task("loan_amount").schema.features].index("niveau_etude")
    assert data.rows[0, place] == 3


def test_a_header_with_decomposed_accents_and_a_byte_order_mark_is_read(read_file):
    from unicodedata import normalize

    data = read_file(
        "loan_amount", "\ufeff" + normalize("NFD", PERSON), normalize("NFD", person(region="Corse"))
    )
    assert len(data.rows) == 1


def test_an_empty_cell_drops_its_row_and_is_counted(read_file):
    data = read_file("iris", IRIS, "5.1,,1.4,0.2,setosa", "5.1,3.5,1.4,0.2,setosa", "5.1,3.5,1.4,NaN,setosa")
    assert data.dropped == {"sepal_width": 1, "petal_width": 1}
    assert len(data.rows) == 1


def test_a_row_without_an_answer_is_dropped(read_file):
    data = read_file("iris", IRIS, "5.1,3.5,1.4,0.2,", "5.1,3.5,1.4,0.2,setosa")
    assert data.dropped == {"species": 1}


def test_an_empty_sports_licence_is_none(task, read_file):
    data = read_file("loan_amount", PERSON, person(sport_licence=""))
    place = [feature.name for feature in task("loan_amount").schema.features].index("sport_licence")
    assert data.rows[0, place] == 0


@pytest.mark.parametrize("column", ["budget", "revenue", "runtime", "vote_count"])
def test_a_zero_of_a_film_is_unknown_and_drops_its_row(read_file, column):
    cells = {"budget": "1000", "revenue": "1000", "runtime": "90", "vote_count": "10"} | {column: "0"}
    data = read_file("film_rating", FILM, ",".join([*cells.values(), "bien"]), "1000,1000,90,10,bien")
    assert data.dropped == {column: 1}


def test_a_number_that_means_unknown_is_filled_in_where_empty_cells_are(task, csv_file):
    filled = replace(task("film_rating"), rules={"budget": Rule(unknown=(0.0,), fill=5.0)})
    data = dataset.read_file(filled, csv_file(FILM, "0,1000,90,10,bien", ",1000,90,10,bien"))
    assert data.rows[:, 0].tolist() == [5.0, 5.0]


def test_a_film_of_half_a_minute_is_above_0(task):
    runtime = next(one for one in task("film_rating").schema.features if one.name == "runtime")
    assert runtime.read(0.5) == 0.5
    with pytest.raises(InvalidInput):
        runtime.read(0)


@pytest.mark.parametrize(("text", "label"), [("bien", 2), ("moyen", 1), ("mediocre", 0), ("good", 2)])
def test_the_film_files_labels_are_translated(read_file, text, label):
    assert read_file("film_rating", FILM, f"1000,1000,90,10,{text}").answers.tolist() == [label]


def test_mean_votes_are_graded_with_strict_bounds(read_file):
    header = FILM.replace("evaluation", "vote_average")
    votes = ["4.9", "5.0", "7.5", "7.6"]
    data = read_file("film_rating", header, *(f"1000,1000,90,10,{vote}" for vote in votes))
    assert data.answers.tolist() == [0, 1, 1, 2]


def test_the_digest_names_the_data_and_not_the_file(read_file):
    one, two = (read_file("iris", IRIS, "5.1,3.5,1.4,0.2,setosa", name=name) for name in ("a.csv", "b.csv"))
    other = read_file("iris", IRIS, "5.1,3.5,1.4,0.2,virginica")
    assert one.digest == two.digest != other.digest


def test_rows_are_the_float32_that_a_node_would_get(task, read_file):
    data = read_file("iris", IRIS, "5.1,3.5,1.4,0.2,setosa")
    assert np.array_equal(data.rows, task("iris").schema.read_rows([task("iris").schema.example]))
