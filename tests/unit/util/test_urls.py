"""A password in an address is not shown."""

import pytest

from concord.util.urls import is_address, masked


@pytest.mark.parametrize("text", ["sqlite:///rows.sqlite", "mysql+pymysql://u@h/d#t", "tmdb://x"])
def test_an_address_has_a_scheme(text):
    assert is_address(text)


@pytest.mark.parametrize("text", ["rows.csv", "/tmp/a://b", "journal", "generator:3", "C:\\rows.csv"])
def test_a_path_is_no_address(text):
    assert not is_address(text)


@pytest.mark.parametrize("password", ["secret", "s@cret", "s:e/c#ret", "s%40cret"])
def test_a_password_is_not_shown_wherever_it_stands(password):
    said = masked(f"--data=iris=mysql+pymysql://me:{password}@db.local/data#iris and more")
    assert said == "--data=iris=mysql+pymysql://me:***@db.local/data#iris and more"


def test_an_address_without_a_password_stays_as_it_is():
    assert masked("postgresql://me@h:5432/d") == "postgresql://me@h:5432/d"
