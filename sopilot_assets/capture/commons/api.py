"""Searching a MediaWiki site for videos, politely.

Requests follow the API etiquette of the Wikimedia sites: one at a time, a `User-Agent` that names a contact,
``maxlag``, and waiting as long as the server asks (https://www.mediawiki.org/wiki/API:Etiquette).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import requests
from markupsafe import Markup
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

import sopilot_assets
from sopilot_assets.errors import ConfigError, SourceError

Answer: TypeAlias = dict[str, Any]
"""An object in the JSON that a MediaWiki answers with."""

COMMONS_API: Final = "https://commons.wikimedia.org/w/api.php"
COMMONS_FILES: Final = "upload.wikimedia.org"
TRIES: Final = 5
TIMEOUT_S: Final = 60.0
_PAGE: Final = 50
_MAX_LAG_S: Final = 5
_BUSY: Final = (429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class RemoteVideo:
    """A video that the site offers; texts are plain, duration and licence code None where unknown."""

    title: str
    page_url: str
    file_url: str
    sha1: str
    size_bytes: int
    mime: str
    duration_s: float | None
    licence_code: str | None
    licence: str
    licence_url: str
    author: str
    credit: str


class MediaWiki:
    """The API of one site. ``contact`` is an address or page by which its operators can reach the caller,
    ``wait`` sleeps for so many seconds.
    """

    def __init__(
        self,
        *,
        endpoint: str = COMMONS_API,
        file_hosts: tuple[str, ...] = (COMMONS_FILES,),
        contact: str,
        pause_s: float,
        wait: Callable[[float], None],
    ) -> None:
        if len(contact.strip()) < 5 or "\n" in contact:
            raise ConfigError(
                f"contact {contact!r}: expected an e-mail address or page; the site's operators want to "
                "reach whoever sends many requests."
            )
        self._endpoint, self._pause_s, self._wait = endpoint, pause_s, wait
        self._hosts = {_host(endpoint), *file_hosts}
        self._session = polite_session(contact.strip())

    def search(self, query: str) -> Iterator[RemoteVideo]:
        """The videos that the site finds for ``query``, best first, asked for page by page.

        Raises `SourceError` where the site does not answer as its API promises.
        """
        more: Mapping[str, str] = {}
        while True:
            answer = self._ask({**_search_for(query), **more})
            pages = answer.get("query", {}).get("pages", [])
            for page in sorted(pages, key=lambda page: int(page.get("index", 0))):
                found = _video(page)
                if found is not None:
                    yield found
            more = {str(name): str(value) for name, value in answer.get("continue", {}).items()}
            if not more:
                return

    def open_file(self, url: str, *, start_byte: int) -> requests.Response:
        """The response with the file's bytes from ``start_byte`` on; status 206 where the server began there,
        200 where it sends all of them. Only files on the site's own hosts are asked for.
        """
        self._check_address(url)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start_byte}-"} if start_byte else {})
        self._wait(self._pause_s)
        try:
            # redirects could lead anywhere, into this network too
            response = self._session.get(
                url, headers=headers, stream=True, timeout=TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            raise SourceError(
                f"{url}: no answer ({error}). Try again later; what is there is kept."
            ) from error
        if response.status_code not in (200, 206):
            response.close()
            raise SourceError(f"{url}: expected the file, found HTTP status {response.status_code}.")
        return response

    def _ask(self, parameters: Mapping[str, str]) -> Answer:
        for _ in range(TRIES):
            self._wait(self._pause_s)
            response = self._get(parameters)
            answer = _json(response, self._endpoint)
            error = answer.get("error")
            if error is None:
                return answer
            if error.get("code") not in ("maxlag", "ratelimited"):
                said = f"{error.get('code')}: {error.get('info')}"
                raise SourceError(f"{self._endpoint}: the site refused the request ({said}).")
            self._wait(_seconds(response.headers.get("Retry-After")))
        raise SourceError(f"{self._endpoint}: still busy after {TRIES} tries. Try again later.")

    def _get(self, parameters: Mapping[str, str]) -> requests.Response:
        try:
            response = self._session.get(self._endpoint, params=dict(parameters), timeout=TIMEOUT_S)
            response.raise_for_status()
        except requests.RequestException as error:
            raise SourceError(f"{self._endpoint}: no answer ({error}). Try again later.") from error
        return response

    def _check_address(self, url: str) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
        if not secure or _host(url) not in self._hosts:
            raise SourceError(
                f"{url}: expected an https address on {' or '.join(sorted(self._hosts))}; it is left out. "
                "Name the host with --file-host if it is right."
            )


def polite_session(contact: str) -> requests.Session:
    """A session that names the product and a contact, and waits as long as a busy server asks."""
    session = requests.Session()
    session.headers["User-Agent"] = f"sopilot-assets/{sopilot_assets.__version__} ({contact})"
    retry = Retry(
        total=TRIES,
        backoff_factor=1.0,
        status_forcelist=_BUSY,
        allowed_methods={"GET"},
        raise_on_status=False,
    )
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _search_for(query: str) -> dict[str, str]:
    return {
        "action": "query",
        "format": "json",
        "formatversion": "2",
        "maxlag": str(_MAX_LAG_S),
        "generator": "search",
        "gsrsearch": f"filetype:video {query}",
        "gsrnamespace": "6",
        "gsrlimit": str(_PAGE),
        "prop": "imageinfo",
        "iiprop": "url|size|mime|sha1|extmetadata",
        "iiextmetadatafilter": "License|LicenseShortName|LicenseUrl|Artist|Credit",
        "iiextmetadatalanguage": "en",
    }


def _video(page: Answer) -> RemoteVideo | None:
    """The video of a search result; None for a page without a file that can be taken."""
    information = next(iter(page.get("imageinfo", ())), None)
    if not information or not all(information.get(name) for name in ("url", "sha1", "size", "mime")):
        return None
    extra = information.get("extmetadata", {})
    duration = information.get("duration")
    return RemoteVideo(
        title=str(page["title"]),
        page_url=str(information.get("descriptionurl", "")),
        file_url=str(information["url"]),
        sha1=str(information["sha1"]).lower(),
        size_bytes=int(information["size"]),
        mime=str(information["mime"]),
        duration_s=float(duration) if duration else None,
        licence_code=_plain(extra, "License") or None,
        licence=_plain(extra, "LicenseShortName"),
        licence_url=_plain(extra, "LicenseUrl"),
        author=_plain(extra, "Artist"),
        credit=_plain(extra, "Credit"),
    )


def _plain(extra: Answer, name: str) -> str:
    """One field of the extended metadata, which is HTML, as a line of text."""
    html = str(extra.get(name, {}).get("value", ""))
    return Markup(html).striptags()  # noqa: S704 - taken apart to plain text, never shown as HTML


def _json(response: requests.Response, endpoint: str) -> Answer:
    try:
        answer = response.json()
    except ValueError as error:
        raise SourceError(
            f"{endpoint}: expected JSON, found something else. Is it a MediaWiki API?"
        ) from error
    if not isinstance(answer, dict):
        raise SourceError(f"{endpoint}: expected a JSON object, found {type(answer).__name__}.")
    return answer


def _seconds(header: str | None) -> float:
    return float(header) if header and header.isdigit() else float(_MAX_LAG_S)


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
