from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from meshproof.errors import ExitCode
from meshproof.suite.model import Served
from meshproof.suite.reading import SuiteInvalid, read_suite, read_suites

#: A whole suite; line 1 is that of its name.
WHOLE = """\
name: shop
title: A shop
source: a book
sections:
  deploy: Deploy the shop
expectations:
- id: S1
  section: deploy
  promise: The shop is open.
  proof: It is asked.
stages:
- name: namespace
  commands: ["kubectl create namespace {namespace}"]
- name: open
  served: true
  commands:
  - kubectl apply -f kubernetes/shop.yaml --namespace {namespace}
workloads:
- {app: till, version: "1.0", container: till, port: 80, protocol: http}
calls:
  open:
    till 1.0: [till 1.0]
served: {path: /shop, holds: Welcome}
images:
- name: localhost/shop:1.0
  recipe: image-redis
deviations:
- name: own shop
  text: The shop is another.
  why: The shop was closed.
  expectations: [S1]
"""

#: Writes the file of a suite, in a folder of features.
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str = WHOLE, folder: str = "shop") -> Path:
        file = tmp_path / folder / "suite.yaml"
        file.parent.mkdir()
        file.write_text(text)
        return file

    return write


def test_a_suite_is_what_its_file_says(write: Write) -> None:
    suite = read_suite(write())
    assert (suite.name, suite.title, dict(suite.sections)) == (
        "shop", "A shop", {"deploy": "Deploy the shop"},
    )  # fmt: skip
    assert [(one.id, one.promise) for one in suite.expectations] == [("S1", "The shop is open.")]
    assert suite.stage_names == ("namespace", "open")
    assert [stage.served for stage in suite.stages] == [False, True]
    assert suite.stage("open").command_lines("s") == [
        "kubectl apply -f kubernetes/shop.yaml --namespace s"
    ]
    assert suite.deviations[0].expectations == ("S1",)
    assert suite.workload("till 1.0").port == 80
    assert suite.arrows() == suite.arrows("open") == {("till 1.0", "till 1.0")}
    assert suite.features.name == "shop"
    assert suite.manifests.name == "shop"
    assert suite.served == Served("/shop", "Welcome")


def test_a_page_is_the_suites_where_it_is_200_and_holds_its_text() -> None:
    page = Served("/shop", "Welcome")
    assert page.by(200, "<h1>Welcome</h1>")
    assert not page.by(200, "<h1>It works!</h1>")
    assert not page.by(503, "<h1>Welcome</h1>")
    assert not page.by(None, "")
    assert Served().by(200, "anything")


def test_a_suite_that_says_nothing_of_its_page_is_served_at_the_root(write: Write) -> None:
    text = WHOLE.replace("served: {path: /shop, holds: Welcome}\n", "")
    assert read_suite(write(text)).served == Served("/", "")


def test_an_unknown_stage_is_answered_with_those_that_there_are(write: Write) -> None:
    with pytest.raises(KeyError, match="no stage “closed”; the stages are: namespace, open"):
        read_suite(write()).stage("closed")


@pytest.mark.parametrize(
    ("right", "wrong", "line", "told"),
    [
        ("promise:", "promis:", 9, "there is no field “promis”; “promise” is close"),
        ("title:", "titel:", 2, "there is no field “titel”; “title” is close"),
        ("title: A shop\n", "", 1, "the field “title” is missing"),
        ("  proof: It is asked.\n", "", 7, "the field “proof” is missing"),
        ("source:", "file: x\nsource:", 3, "there is no field “file”; “title” is close"),
        ("served:", "server:", 15, "there is no field “server”; “served” is close"),
        ("served: true", 'served: "yes"', 15, "“served” is \"yes\", and should be true or false"),
        ("name: shop", "name: 3", 1, "“name” is 3, and should be text, in quotes where it looks"
         " like something else"),
        ("name: shop", "name: My shop", 1, "“My shop” cannot be a namespace; lower-case letters,"
         " digits and hyphens can"),
        ("[S1]", "S1", 31, "“expectations” is \"S1\", and should be a list"),
        ("section: deploy", "section: depoly", 8, "there is no section “depoly”; “deploy” is"
         " close"),
        ("[S1]", "[X]", 31, "there is no expectation “X”; there are: S1"),
        ("- name: open\n", "- name: namespace\n", 14, "“namespace” is the name of an earlier one of"
         " the stages, too"),
        ("stages:\n", "stages:\n- name: early\n", 12, "no command leads to stage “early”;"
         " give it `commands`, or leave it out"),
        ('  commands: ["kubectl create namespace {namespace}"]\n', "  commands: []\n", 12,
         "no command leads to stage “namespace”; give it `commands`, or leave it out"),
        ("stages:", "- id: S1\n  section: deploy\n  promise: a\n  proof: b\nstages:", 11,
         "“S1” is the id of an earlier one of the expectations, too"),
        ("  open:\n", "  shut:\n", 21, "there is no stage “shut”; there are: namespace and open"),
        ("    till 1.0:", "    tell 1.0:", 22, "there is no workload “tell 1.0”; “till 1.0” is"
         " close"),
        ("[till 1.0]", "[till 2.0]", 22, "there is no workload “till 2.0”; “till 1.0” is close"),
        ("port: 80", "port: a", 19, "“port” is \"a\", and should be a whole number"),
        ("recipe: image-redis", "recipe: image-shop\n  folder: shop", 27, "there is no"
         " images/shop/Dockerfile to build localhost/shop:1.0 by"),
        ("title:", "name: twice\ntitle:", 2, "“name” stands twice"),
        ("title: A", "title: [A", 3, "this is no YAML: did not find expected ',' or ']'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(
    write: Write, right: str, wrong: str, line: int, told: str
) -> None:
    assert right in WHOLE
    file = write(WHOLE.replace(right, wrong, 1))
    with pytest.raises(SuiteInvalid) as refused:
        read_suite(file)
    assert refused.value.sentence == f"{file}, line {line}: {told}."
    assert refused.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("text", ["", "- a\n", "shop\n"])
def test_what_is_no_table_is_refused(write: Write, text: str) -> None:
    with pytest.raises(
        SuiteInvalid, match=re.escape("no table of fields; docs/suites.md has them.")
    ):
        read_suite(write(text))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteInvalid, match=r"suite\.yaml cannot be read: .*No such file"):
        read_suite(tmp_path / "suite.yaml")


def other(text: str) -> str:
    """A suite with nothing in common with another one."""
    return text.replace("S1", "B1").replace("deploy", "books").replace("own shop", "own books")


def test_suites_come_by_name_after_the_one_that_is_meant_first(write: Write) -> None:
    file = write()
    write(other(WHOLE).replace("name: shop", "name: library"), "other")
    found = read_suites(file.parent.parent)
    assert [suite.name for suite in found] == ["library", "shop"]
    assert [suite.name for suite in read_suites(file.parent.parent, "shop")] == ["shop", "library"]


def test_two_suites_of_one_name_are_refused(write: Write) -> None:
    file = write()
    second = write(other(WHOLE), "zoo")
    with pytest.raises(SuiteInvalid) as refused:
        read_suites(file.parent.parent)
    assert refused.value.sentence == (
        f"{second}: the suite of {file} is called “shop”, too; give one of them another name."
    )


@pytest.mark.parametrize(("left", "tag"), [("S1", "S1"), ("deploy", "deploy")])
def test_two_suites_with_one_tag_are_refused(write: Write, left: str, tag: str) -> None:
    file = write()
    renamed = other(WHOLE).replace({"S1": "B1", "deploy": "books"}[left], left)
    second = write(renamed.replace("name: shop", "name: zoo"), "zoo")
    with pytest.raises(SuiteInvalid, match=f"has “{tag}”, too; sections and ids") as refused:
        read_suites(file.parent.parent)
    assert refused.value.sentence.startswith(f"{second}: the suite of {file} ")


def test_two_suites_with_a_deviation_of_one_name_are_refused(write: Write) -> None:
    file = write()
    text = other(WHOLE).replace("name: shop", "name: zoo").replace("own books", "own shop")
    second = write(text, "zoo")
    with pytest.raises(SuiteInvalid, match="has a deviation “own shop”, too; ") as refused:
        read_suites(file.parent.parent)
    assert refused.value.sentence.startswith(f"{second}: the suite of {file} ")
