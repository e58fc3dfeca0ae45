"""Where an endpoint is and how it is reached: URLs, headers, proxy, certificates.

The environment is read as the openai library and its neighbours read it; what they would send
astray, such as a call to this machine through a proxy, is mended here.
"""

import ipaddress
import os
import re
import ssl
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import certifi

from augqa.address_text import FROM_ENVIRONMENT, is_secret, without_secrets
from augqa.errors import GenerationError

OPENAI = "https://api.openai.com/v1"
_AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
# The first that is set; REQUESTS_CA_BUNDLE may be a folder too.
_CA_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An endpoint's place.

    Attributes:
        where: Base URL without its query, for messages and for the cache.
        chat: URL of Chat Completions.
        models: URL of the list of models.
        query: Of the base URL; goes with every call.
        headers: Sent with every call; the key stands in one of them.
    """

    where: str
    chat: str
    models: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An address as params and environment name it.

    Attributes:
        base_url: None for OpenAI's own. A query, as Azure wants it, stays one.
        api_key: Goes into one header: ``api-key`` for Azure, else ``Authorization``.
        api_key_env: Name of the variable the key came from, for messages.
        headers: Further ones, sent with every call; one of the client's own gives way.
        secrets: What came into them out of the environment.
    """

    base_url: str | None
    api_key: str = field(repr=False)
    api_key_env: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)


def read_places(
    base_urls: Sequence[str], api_key_envs: Sequence[str], headers: Mapping[str, str]
) -> list[Place]:
    """Return the addresses that params name, each with its key out of the environment.

    Args:
        base_urls: None given: the one that OPENAI_BASE_URL names, or OpenAI's own.
        api_key_envs: Names of variables: one for all addresses, or one for each.
        headers: For all of them; ``${NAME}`` in a value is the variable of that name.

    Raises:
        GenerationError: If a variable is not set, or a header cannot be sent.
    """
    # The variable is the openai library's own, which batches go through.
    urls: list[str | None] = [*base_urls] or [os.environ.get("OPENAI_BASE_URL", "").strip() or None]
    envs = list(api_key_envs) if len(api_key_envs) > 1 else [*api_key_envs] * len(urls)
    keys = {name: _read_api_key(name) for name in dict.fromkeys(envs)}
    filled, secrets = read_headers(headers)
    return [
        Place(base_url=url, api_key=keys[name], api_key_env=name, headers=filled, secrets=secrets)
        for url, name in zip(urls, envs, strict=True)
    ]


def read_headers(headers: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return headers with what the environment has for them, and that by itself.

    Raises:
        GenerationError: If a variable is not set, or a value cannot stand in a header.
    """
    filled, secrets = {}, []
    for name, template in headers.items():
        for variable in FROM_ENVIRONMENT.findall(template):
            value = os.environ.get(variable, "").strip()
            if not value:
                raise GenerationError(
                    f"environment variable {variable} (llm.headers, {name}) is not set"
                )
            secrets.append(value)
        text = FROM_ENVIRONMENT.sub(lambda found: os.environ[found[1]].strip(), template)
        if not (text.isascii() and text.isprintable()):
            raise GenerationError(
                f"llm.headers: {name} holds characters that no header has: a line break, or a"
                " letter beyond ASCII"
            )
        filled[name] = text
    return filled, tuple(secrets)


def _read_api_key(name: str) -> str:
    """Return the key in environment variable `name`.

    Raises:
        GenerationError: If it is not set.
    """
    key = os.environ.get(name, "").strip()
    if not key:
        raise GenerationError(
            f"environment variable {name} (llm.api_key_env) is not set: put the endpoint's key"
            " there; a server without keys takes any word"
        )
    return key


def read_address(place: Place) -> Address:
    """Take an address apart.

    Raises:
        GenerationError: If it is no URL, or the key cannot stand in a header.
    """
    api_key, api_key_env = place.api_key, place.api_key_env
    base_url = (place.base_url or OPENAI).strip()
    try:
        parts = urllib.parse.urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        raise GenerationError(
            f"llm.base_url: {without_secrets(base_url)!r} is no URL, expected one like"
            " https://host/v1"
        )
    if parts.username is not None or parts.password is not None:
        raise GenerationError(
            f"llm.base_url: {without_secrets(base_url)!r} holds a user or a password: put the key"
            f" into the environment variable {api_key_env} instead"
        )
    fields = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
    if secret := next((name for name, _ in fields if is_secret(name)), None):
        raise GenerationError(
            f"llm.base_url: {secret!r} in its query looks like a key, which params.yaml would hand"
            f" on: put the key into the environment variable {api_key_env}, from where it goes into"
            " a header"
        )
    if not (api_key.isascii() and api_key.isprintable()):
        raise GenerationError(
            f"environment variable {api_key_env} holds characters that no key has: a line break,"
            " or a letter beyond ASCII"
        )
    where = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    query = f"?{parts.query}" if parts.query else ""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if "api-version" in dict(fields) or host.endswith(_AZURE_HOSTS):
        headers["api-key"] = api_key
    else:
        headers["Authorization"] = f"Bearer {api_key}"
    if where == OPENAI:
        for name, variable in (
            ("OpenAI-Organization", "OPENAI_ORG_ID"),
            ("OpenAI-Project", "OPENAI_PROJECT_ID"),
        ):
            if value := os.environ.get(variable, "").strip():
                headers[name] = value
    own = {name.lower() for name in place.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in own}
    return Address(
        where=where,
        chat=f"{where}/chat/completions{query}",
        models=f"{where}/models{query}",
        query=dict(fields),
        headers=headers | dict(place.headers),
    )


def certificates(url: str) -> ssl.SSLContext | bool:
    """Return whom to trust for `url`: the environment's bundle, or that of package certifi.

    Raises:
        GenerationError: If the environment names a bundle that cannot be read.
    """
    if not url.startswith("https:"):
        return True
    for name in _CA_FILES:
        if path := os.environ.get(name, "").strip():
            try:
                if Path(path).is_dir():
                    return ssl.create_default_context(capath=path)
                return ssl.create_default_context(cafile=path)
            except (OSError, ssl.SSLError) as error:
                raise GenerationError(
                    f"environment variable {name}: {path}: no certificates can be read: {error}"
                ) from error
    context = ssl.create_default_context(cafile=certifi.where())
    if folder := os.environ.get("SSL_CERT_DIR", "").strip():
        context.load_verify_locations(capath=folder)
    return context


def proxy(url: str) -> str | None:
    """Return the HTTP proxy that the environment names for `url`; None for this machine.

    Raises:
        GenerationError: If it names one of another kind, or none: to go around it in silence would
            tell the network what was to be hidden from it.
    """
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or _is_exempt(host, parts.netloc):
        return None
    proxies = urllib.request.getproxies()
    found = (proxies.get(parts.scheme) or proxies.get("all") or "").strip()
    if not found:
        return None
    if "://" not in found:
        found = f"http://{found}"
    kind = found.split("://")[0].lower()
    if kind not in ("http", "https"):
        raise GenerationError(
            f"{parts.hostname}: the environment names a {kind} proxy ({without_secrets(found)}),"
            " and only HTTP proxies are spoken to: set HTTPS_PROXY to one, or put the host into"
            " NO_PROXY"
        )
    try:
        parts = urllib.parse.urlsplit(found)
        sound = bool(parts.hostname) and (parts.port or 1) and not re.search(r"\s", found)
    except ValueError:
        sound = False
    if not sound:
        raise GenerationError(
            f"{host}: the environment names a proxy that is no URL ({without_secrets(found)}),"
            " expected one like http://proxy:3128; a password's own : / ? # @ and % are written as"
            " %3A %2F %3F %23 %40 and %25"
        )
    return found


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _is_exempt(host: str, netloc: str) -> bool:
    """Whether NO_PROXY names a host, also as a network: 10.0.0.0/8."""
    if urllib.request.proxy_bypass(netloc) or urllib.request.proxy_bypass(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in urllib.request.getproxies().get("no", "").split(","):
        try:
            if address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
