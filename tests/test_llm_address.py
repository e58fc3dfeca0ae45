"""Where a call goes: base URL, headers, proxy, certificates."""

import ssl
import subprocess
from pathlib import Path

import pytest

from augqa import llm
from augqa.errors import GenerationError
from augqa.llm import sending
from augqa.llm.address import Place, proxy, read_address
from tests.asking_loopback import KEY, params, requests, run
from tests.loopback import Loopback

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)
    for name in (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        for spelled in (name, name.lower()):
            monkeypatch.delenv(spelled, raising=False)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("value", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "socks5h://x:9"])
def test_a_call_to_this_machine_goes_through_no_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with Loopback() as server:
        results = run(server, tmp_path / "c.sqlite", requests(2))
    assert [result.failure for result in results] == [None, None]


@pytest.mark.parametrize(
    "url",
    ["http://localhost:1/v1", "http://[::1]:1", "http://127.8.9.1/v1", "https://a.localhost/"],
)
def test_every_name_of_this_machine_is_known(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name in PROXIES[:3]:
        monkeypatch.setenv(name, "http://proxy:3128")
    assert proxy(url) is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
        ({"ALL_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128", "ALL_PROXY": "socks5://p:1"}, "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.0/8"}, None),
        ({"ALL_PROXY": "socks5://p:1", "NO_PROXY": "10.1.2.3"}, None),
    ],
)
def test_another_machine_goes_through_the_proxy_named_for_it(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy("https://10.1.2.3/v1") == expected


def test_a_socks_proxy_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@proxy:1080")
    with (
        pytest.raises(GenerationError, match="HTTPS_PROXY") as error,
        llm.open_client(params("https://api.example.com/v1"), cache_path=tmp_path / "c.sqlite"),
    ):
        pass
    assert "secret" not in str(error.value)


def test_a_query_stays_a_query_and_the_key_goes_where_azure_wants_it(tmp_path: Path) -> None:
    path = "/openai/deployments/d/chat/completions"
    with Loopback(path=path) as server:
        base_url = server.base_url.removesuffix("/v1") + "/openai/deployments/d"
        for version in ("2024-10-21", "2025-01-01"):
            with llm.open_client(
                params(f"{base_url}?api-version={version}"), cache_path=tmp_path / "c.sqlite"
            ) as client:
                results = list(client.complete(requests(2)))
            assert [result.failure for result in results] == [None, None]
        chats = [p for p in server.server.paths if "completions" in p]
        assert chats == [f"{path}?api-version=2024-10-21"] * 2  # the second run has all at hand
        assert all(headers.get("api-key") == KEY for headers in server.server.headers)
        assert not any("authorization" in headers for headers in server.server.headers)


@pytest.mark.parametrize(
    ("base_url", "chat", "header"),
    [
        (None, "https://api.openai.com/v1/chat/completions", "Authorization"),
        ("http://h:1/v1/", "http://h:1/v1/chat/completions", "Authorization"),
        ("http://h", "http://h/chat/completions", "Authorization"),
        (
            "https://r.openai.azure.com/openai/v1",
            "https://r.openai.azure.com/openai/v1/chat/completions",
            "api-key",
        ),
    ],
)
def test_a_base_url_is_taken_apart(base_url: str | None, chat: str, header: str) -> None:
    address = read_address(Place(base_url=base_url, api_key="k", api_key_env="K"))
    assert address.chat == chat
    assert "k" in address.headers[header]
    assert "Bearer" not in repr(address)


@pytest.mark.parametrize(
    ("base_url", "key", "says"),
    [
        ("127.0.0.1:8080/v1", "k", "is no URL"),
        ("ftp://h/v1", "k", "is no URL"),
        ("http://h:port/v1", "k", "is no URL"),
        ("http://[::1/v1", "k", "is no URL"),
        ("http://u:secret@h/v1", "k", "user or a password"),
        ("http://u:pa?secret@h/v1", "k", "is no URL"),
        ("u:secret@h/v1", "k", "is no URL"),
        ("http://h/v1?key=secret", "k", "'key' in its query looks like a key"),
        ("http://h/v1?api-version=1&Api_Token=secret", "k", "'Api_Token' in its query"),
        ("http://h/v1", "a\nb", "no key has"),
        ("http://h/v1", "ключ", "no key has"),
    ],
)
def test_an_address_that_cannot_be_used_is_named(base_url: str, key: str, says: str) -> None:
    with pytest.raises(GenerationError, match=says) as error:
        read_address(Place(base_url=base_url, api_key=key, api_key_env="K"))
    assert "secret" not in str(error.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that only its own file vouches for."""
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "c.pem", folder / "k.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=l",
         "-addext", "subjectAltName=IP:127.0.0.1", "-out", made[0], "-keyout", made[1]],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return made


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_certificates_that_the_environment_names_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path], name: str
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    with Loopback(tls=tls) as server:
        with pytest.raises(GenerationError, match=r"no secure connection.*SSL_CERT_FILE"):
            run(server, tmp_path / "c.sqlite", requests(1))
        monkeypatch.setenv(name, str(certificate[0]))
        results = run(server, tmp_path / "c.sqlite", requests(1))
    assert [result.failure for result in results] == [None]


def test_a_bundle_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    with (
        pytest.raises(GenerationError, match=r"SSL_CERT_FILE.*gone\.pem"),
        llm.open_client(params("https://api.example.com/v1"), cache_path=tmp_path / "c.sqlite"),
    ):
        pass


def test_the_named_certificates_hold_for_each_of_several_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with Loopback(tls=tls, delay_s=0.05) as one, Loopback(tls=tls, delay_s=0.05) as other:
        own = params([one.base_url, other.base_url])
        with llm.open_client(own, cache_path=tmp_path / "c.sqlite") as client:
            results = list(client.complete(requests(12)))
        assert [result.failure for result in results] == [None] * 12
        assert one.calls
        assert other.calls


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("socks5://u:secret@p:1", r"a socks5 proxy \(socks5://p:1\)"),
        ("socks5://u:se?secret@p:1", r"a socks5 proxy \(socks5://p:1\)"),
        ("http://u:secret@p:port", r"a proxy that is no URL \("),
        ("u:se/secret@p:1", r"a proxy that is no URL \("),
        ("http://u:secret@", r"a proxy that is no URL \("),
        ("http://p 1:3", r"a proxy that is no URL \("),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, address: str, says: str
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", address)
    with pytest.raises(GenerationError, match=says) as caught:
        proxy("https://api.example/v1")
    assert "secret" not in str(caught.value)
