"""Switches the feature flag in a browser, and holds its cookie against what it must be."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page as Tab

from meshproof.analysis.observation import Observation, unless
from meshproof.probes.page_object import as_users_see, click, open_page
from meshproof.wording import listed
from steps.voting.flag_cookie import COOKIE, kept, wrongly_cleared, wrongly_kept, wrongly_set
from steps.voting.voting_tab import TOGGLE

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


def switch_on_and_off(tab: Tab, site: str) -> OnAndOff:
    """Switch the flag on and off, each time on a page deep in the site."""
    return OnAndOff(_switch(tab, site), _switch(tab, site))


def told(switched: OnAndOff) -> Observation:
    """Say what was set and sent."""
    return Observation(
        details=[
            f"switched {what}, Set-Cookie: {each.set_cookie}; sent {told_sent(each.sent)}"
            for what, each in (("on", switched.on), ("off", switched.off))
        ]
    )


def set_for_the_site(on: Switched, version: str) -> Observation:
    """Hold the cookie that was set, and as the browser keeps it, against 15 minutes and “/”."""
    wrong = wrongly_set(on.set_cookie) + wrongly_kept(on.jar, on.begun, on.ended)
    return Observation(
        results=[
            f"The browser keeps {cookie['name']}={cookie['value']} for "
            f"{cookie['expires'] - on.ended:.0f} s and the path {cookie['path']}."
            for cookie in on.jar
        ],
        problems=[
            *unless(on.version == version, f"the toggle was clicked on version {on.version}"),
            *unless(not wrong, f"Set-Cookie: {on.set_cookie}; {'; '.join(wrong)}"),
        ],
    )


def sent_for_the_site(on: Switched) -> Observation:
    """Hold what the browser sent for each page after the flag was set against the cookie."""
    everywhere = dict.fromkeys(SITE, COOKIE)
    return Observation(problems=unless(on.sent == everywhere, f"sent {told_sent(on.sent)}"))


def cleared(off: Switched, version: str) -> Observation:
    """Hold the cookie that was cleared, and what the browser sent afterwards, against nothing."""
    wrong = wrongly_cleared(off.set_cookie)
    return Observation(
        problems=[
            *unless(off.version == version, f"the toggle was clicked on version {off.version}"),
            *unless(not wrong, f"Set-Cookie: {off.set_cookie}; {'; '.join(wrong)}"),
            *unless(not off.jar, f"the browser still keeps {kept(off.jar)}"),
            *unless(off.sent == dict.fromkeys(SITE, ""), f"sent {told_sent(off.sent)}"),
        ]
    )


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
