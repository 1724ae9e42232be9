"""An OAuth 2.0 server by Authlib: client credentials, opaque tokens, and a resource that demands one.

Prints one line of JSON with its address when it is ready; ends with its parent. Endpoints: POST /token,
GET /protected (200 with the client's id for a token issued here, 401 otherwise), GET /issued (how many tokens).
"""

import argparse
import json
import os
import sys
import time

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # Plain HTTP on loopback.

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6750 import BearerTokenValidator
from flask import Flask, jsonify
from werkzeug.serving import WSGIRequestHandler, make_server


class Client(ClientMixin):
    def __init__(self, client_id, secret):
        self.client_id = client_id
        self.secret = secret

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
        return method == "client_secret_basic"

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
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]


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
    parser.add_argument("--client-secret", required=True)
    parser.add_argument("--lifetime", type=int, default=3600, help="of a token, seconds")
    options = parser.parse_args()
    app = application(Client(options.client_id, options.client_secret), options.lifetime)
    server = make_server(options.bind, 0, app, threaded=True, request_handler=Quiet)
    print(json.dumps({"address": f"{options.bind}:{server.server_port}"}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
