"""An OAuth 2.0 server by Authlib: client credentials, opaque tokens, and a resource that demands one.

With --certificate, --key and --client-certificate it speaks TLS, and its client authenticates by that certificate
(RFC 8705, tls_client_auth) and by nothing else.

Prints one line of JSON with its address when it is ready; ends with its parent. Endpoints: POST /token,
GET /protected (200 with the client's id for a token issued here, 401 otherwise), GET /issued (how many tokens).
"""

import argparse
import json
import os
import ssl
import sys
import time

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # Plain HTTP on loopback.

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6750 import BearerTokenValidator
from flask import Flask, jsonify, request as flask_request
from werkzeug.serving import WSGIRequestHandler, make_server


class Client(ClientMixin):
    def __init__(self, client_id, secret, certificate):
        self.client_id = client_id
        self.secret = secret
        self.certificate = certificate

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return scope or ""

    def check_redirect_uri(self, redirect_uri):
        return False

    def check_client_secret(self, client_secret):
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method == ("tls_client_auth" if self.certificate else "client_secret_basic")

    def check_response_type(self, response_type):
        return False

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


class Token(TokenMixin):
    def __init__(self, client, fields):
        self.client = client
        self.expires_at = time.time() + fields["expires_in"]

    def check_client(self, client):
        return client is self.client

    def get_scope(self):
        return ""

    def get_expires_in(self):
        return int(self.expires_at - time.time())

    def is_expired(self):
        return time.time() >= self.expires_at

    def is_revoked(self):
        return False

    def get_client(self):
        return self.client

    def get_user(self):
        return None


class Grant(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "tls_client_auth"]


def by_certificate(query_client, request):
    """RFC 8705, section 2.1: the certificate of the connection, whose chain TLS has verified, and the id in the form."""
    client = query_client(request.payload.client_id)
    shown = flask_request.environ.get("SSL_CLIENT_CERT")
    secret = "Authorization" in request.headers or "client_secret" in request.form
    if client and client.certificate and shown and not secret:
        if ssl.PEM_cert_to_DER_cert(shown) == ssl.PEM_cert_to_DER_cert(client.certificate):
            return client
    return None


class Quiet(WSGIRequestHandler):
    def log(self, *_):
        pass


def application(client, lifetime):
    app = Flask(__name__)
    app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"client_credentials": lifetime}
    tokens = {}

    def save(fields, request):
        tokens[fields["access_token"]] = Token(request.client, fields)

    server = AuthorizationServer(
        app,
        query_client=lambda client_id: client if client_id == client.client_id else None,
        save_token=save,
    )
    server.register_client_auth_method("tls_client_auth", by_certificate)
    server.register_grant(Grant)

    class Validator(BearerTokenValidator):
        def authenticate_token(self, token_string):
            return tokens.get(token_string)

    protector = ResourceProtector()
    protector.register_token_validator(Validator())

    @app.post("/token")
    def token():
        return server.create_token_response()

    @app.get("/protected")
    @protector()
    def protected():
        return jsonify(client=current_token.client.client_id)

    @app.get("/issued")
    def issued():
        return jsonify(tokens=len(tokens))

    return app


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bind", default="127.0.0.2")
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--client-secret", default="")
    parser.add_argument("--client-certificate", help="file; the client's, by which it authenticates")
    parser.add_argument("--certificate", help="file; the server's own")
    parser.add_argument("--key", help="file; of the server's certificate")
    parser.add_argument("--lifetime", type=int, default=3600, help="of a token, seconds")
    options = parser.parse_args()
    certificate = tls = None
    if options.client_certificate:
        with open(options.client_certificate, encoding="ascii") as file:
            certificate = file.read()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate, options.key)
        # Self-signed or not, the one that is expected is trusted; resources are called without any.
        tls.load_verify_locations(options.client_certificate)
        tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        tls.verify_mode = ssl.CERT_OPTIONAL
    app = application(Client(options.client_id, options.client_secret, certificate), options.lifetime)
    server = make_server(options.bind, 0, app, threaded=True, request_handler=Quiet, ssl_context=tls)
    print(json.dumps({"address": f"{options.bind}:{server.server_port}"}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
