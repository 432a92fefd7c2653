"""The feature flag's cookie: whom it leads to 2.0 (C3), and how long and where it lasts (C8)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import hypothesis
from playwright.sync_api import Page as Tab
from pytest_bdd import parsers, then, when

from meshproof.flag import COOKIE, kept, wrongly_cleared, wrongly_kept, wrongly_set
from meshproof.near_misses import SEED, Gate, Seen, generate, lacking, summary
from meshproof.probes.cookies import seen_with
from meshproof.probes.ingress import Ingress
from meshproof.probes.page_object import TOGGLE, as_users_see, click, open_page
from meshproof.signoff.evidence import Evidence
from meshproof.wording import listed

#: No page that there is, so the app answers with 404, and the toggle at its foot all the same.
DEEP = "/a/page/deep/in/the/site"
SITE = ("/", "/featureflag/set", DEEP)


@dataclass(frozen=True)
class Switched:
    """The toggle, clicked: on a page of which version, the answer's Set-Cookie, and what followed.

    ``begun`` and ``ended`` are the time around it, in seconds since 1970; ``jar`` is what the
    browser then kept, ``sent`` the Cookie header that it sent for each path.
    """

    version: str
    set_cookie: str
    begun: float
    ended: float
    jar: Sequence[Mapping[str, Any]]
    sent: Mapping[str, str]


@dataclass(frozen=True)
class OnAndOff:
    """The flag switched on, and off again."""

    on: Switched
    off: Switched


@when(
    parsers.parse(
        "the page is viewed with generated headers, {each:d} with the flag "
        "and as many without it for each kind of near miss"
    ),
    target_fixture="seen",
)
def _(ingress: Ingress, each: int) -> list[Seen]:
    return seen_with(ingress.url, generate(each), ingress.host)


@then(parsers.parse("of each kind at least {least:d} requests held the flag, and as many did not"))
def _(seen: list[Seen], evidence: Evidence, least: int) -> None:
    evidence.observe(f"by Hypothesis {hypothesis.__version__} from seed {SEED}: {summary(seen)}")
    few = lacking(seen, least)
    assert not few, f"fewer than {least} with the flag, or without it: {listed(few, most=len(few))}"


@then(
    parsers.parse('exactly those that held it got version "{flagged}", and all others "{others}"')
)
def _(seen: list[Seen], evidence: Evidence, flagged: str, others: str) -> None:
    gate = Gate(seen, flagged, others)
    evidence.text("every request", gate.table)
    evidence.result(
        f"{len(gate.wrong)} of {len(seen)} requests with near misses got another version."
    )
    assert not gate.wrong, gate.complaint


@when(
    "the flag is switched on and off in a browser, from a page deep in the site",
    target_fixture="switched",
)
def _(tab: Tab, site: str, evidence: Evidence) -> OnAndOff:
    switched = OnAndOff(_switch(tab, site), _switch(tab, site))
    for what, each in (("on", switched.on), ("off", switched.off)):
        evidence.observe(
            f"switched {what}, Set-Cookie: {each.set_cookie}; sent {told_sent(each.sent)}"
        )
    return switched


@then(
    parsers.parse(
        'version "{version}" set it for 15 minutes and path "/", and the browser keeps it as long'
    )
)
def _(switched: OnAndOff, evidence: Evidence, version: str) -> None:
    on = switched.on
    for cookie in on.jar:
        evidence.result(
            f"The browser keeps {cookie['name']}={cookie['value']} for "
            f"{cookie['expires'] - on.ended:.0f} s and the path {cookie['path']}."
        )
    wrong = wrongly_set(on.set_cookie) + wrongly_kept(on.jar, on.begun, on.ended)
    assert on.version == version, f"the toggle was clicked on version {on.version}"
    assert not wrong, f"Set-Cookie: {on.set_cookie}; {'; '.join(wrong)}"


@then(
    parsers.parse(
        'the browser sent it for every page of the site, until version "{version}" cleared it'
    )
)
def _(switched: OnAndOff, version: str) -> None:
    on, off = switched.on, switched.off
    assert on.sent == dict.fromkeys(SITE, COOKIE), f"sent {told_sent(on.sent)}"
    assert off.version == version, f"the toggle was clicked on version {off.version}"
    wrong = wrongly_cleared(off.set_cookie)
    assert not wrong, f"Set-Cookie: {off.set_cookie}; {'; '.join(wrong)}"
    assert not off.jar, f"the browser still keeps {kept(off.jar)}"
    assert off.sent == dict.fromkeys(SITE, ""), f"sent {told_sent(off.sent)}"


def told_sent(sent: Mapping[str, str]) -> str:
    """What cookies were sent for each path, in words."""
    return listed(f"{cookie or 'nothing'} for {path}" for path, cookie in sent.items())


def _switch(tab: Tab, site: str) -> Switched:
    """Click the toggle on a page deep in the site, and view other pages of it afterwards."""
    open_page(tab, site + DEEP)
    with as_users_see("looks for the page's version"):  # it has no results: it is a 404
        version = tab.locator("#version").inner_text().removeprefix("version: ")
    begun = time.time()
    switches = tab.expect_response(lambda response: "/featureflag/" in response.url)
    with as_users_see("waits for the toggle's answer"), switches as answer:
        click(tab, TOGGLE)
    ended = time.time()
    set_cookie = answer.value.all_headers().get("set-cookie", "")
    return Switched(
        version,
        set_cookie,
        begun,
        ended,
        tab.context.cookies(),
        {path: _cookies_sent(tab, site + path) for path in SITE},
    )


def _cookies_sent(tab: Tab, url: str) -> str:
    return open_page(tab, url).request.all_headers().get("cookie", "")
