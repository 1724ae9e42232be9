#!/bin/sh
# Makes the pairs that the model's tests read, as `openssl` spells them. They are for nothing else.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/ca.key" -out "$work/ca.crt" \
  -subj "/CN=Pairs CA" -days 36500
# $1: name, $2: key
leaf() {
  openssl req -new -key "$2" -subj "/CN=$1" -out "$work/csr"
  openssl x509 -req -in "$work/csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -set_serial 16 -days 36500 -out "$1.crt"
}
openssl genrsa -traditional -out rsa.pkcs1.key 2048
leaf rsa rsa.pkcs1.key
openssl pkcs8 -topk8 -nocrypt -in rsa.pkcs1.key -out rsa.pkcs8.key
openssl pkcs8 -topk8 -passout pass:x -in rsa.pkcs1.key -out rsa.pkcs8-encrypted.key
openssl rsa -in rsa.pkcs1.key -traditional -aes128 -passout pass:x -out rsa.pkcs1-encrypted.key
for curve in prime256v1:p256 secp384r1:p384 secp521r1:p521; do
  name=${curve#*:}
  openssl ecparam -name "${curve%:*}" -genkey -out "$name.sec1.key"
  openssl pkcs8 -topk8 -nocrypt -in "$name.sec1.key" -out "$name.pkcs8.key"
  leaf "$name" "$name.sec1.key"
done
openssl ec -in p256.sec1.key -no_public -out p256.bare.key
openssl genpkey -algorithm ed25519 -out ed25519.key
leaf ed25519 ed25519.key
openssl genrsa -traditional -out short.key 1024
leaf short short.key
cat p256.crt "$work/ca.crt" > chain.crt
rm -r "$work"
