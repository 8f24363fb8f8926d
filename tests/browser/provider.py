"""A small OpenID Connect provider: whoever comes is signed in as the person that the test says."""

import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey


@dataclass
class Provider:
    """The authorization code flow, of which only the password is missing.

    Attributes:
        person: The e-mail address of whoever signs in next.
        verified: What the provider says of that address.
    """

    person: str = "ada@example.org"
    verified: bool = True
    codes: dict[str, str] = field(default_factory=dict)

    def start(self):
        self._key = RSAKey.generate_key(2048, {"kid": "test", "use": "sig", "alg": "RS256"})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def secrets(self, page_url):
        """The text of Streamlit's file of secrets."""
        return (
            "[auth]\n"
            f'redirect_uri = "{page_url}/oauth2callback"\n'
            f'cookie_secret = "{secrets.token_hex(32)}"\n'
            'client_id = "concord"\n'
            'client_secret = "known-to-both"\n'
            f'server_metadata_url = "{self.url}/.well-known/openid-configuration"\n'
        )

    def metadata(self):
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def authorize(self, query):
        """The address that the browser is sent back to."""
        code = secrets.token_hex(8)
        self.codes[code] = query["nonce"][0]
        back = urlencode({"code": code, "state": query["state"][0]})
        return f"{query['redirect_uri'][0]}?{back}"

    def token(self, body):
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": "concord",
            "sub": self.person,
            "email": self.person,
            "email_verified": self.verified,
            "iat": now,
            "exp": now + 600,
            "nonce": self.codes.pop(body["code"][0]),
        }
        signed = jwt.encode({"alg": "RS256", "kid": "test"}, claims, self._key)
        return {"access_token": "unused", "token_type": "Bearer", "expires_in": 600, "id_token": signed}

    def keys(self):
        return {"keys": [self._key.as_dict(private=False)]}

    def _handler(self):
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked = urlsplit(self.path)
                if asked.path == "/authorize":
                    self.send_response(302)
                    self.send_header("location", provider.authorize(parse_qs(asked.query)))
                    self.send_header("content-length", "0")
                    self.end_headers()
                else:
                    self._send(provider.keys() if asked.path == "/keys" else provider.metadata())

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                self._send(provider.token(parse_qs(body)))

            def log_message(self, *_args):
                pass

            def _send(self, document):
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler
