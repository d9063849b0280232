#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Makes the keys in this folder with OpenSSL 3: the same few keys in every form that tools write.
# Test keys only; they protect nothing. Usage: sh make_keys.sh
set -eu
cd "$(dirname "$0")"

openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.pkcs8.pem
# With the `EC PARAMETERS` block that `openssl ecparam -genkey` writes in front.
{ openssl ecparam -name prime256v1; openssl ec -in p256.pkcs8.pem; } >p256.sec1.pem 2>/dev/null
openssl pkey -in p256.pkcs8.pem -pubout -out p256.spki.pem
openssl pkcs8 -topk8 -in p256.pkcs8.pem -passout pass:secret -out p256.password.pem

for bits in 2048 3072; do
    openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:$bits" -out "rsa$bits.pkcs8.pem" 2>/dev/null
    openssl rsa -in "rsa$bits.pkcs8.pem" -traditional -out "rsa$bits.pkcs1.pem" 2>/dev/null
    openssl pkey -in "rsa$bits.pkcs8.pem" -pubout -out "rsa$bits.spki.pem"
    openssl rsa -in "rsa$bits.pkcs8.pem" -RSAPublicKey_out -out "rsa$bits.pkcs1-public.pem" 2>/dev/null
done

# Keys that must be refused.
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out rsa1024.pem 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.pem
openssl req -x509 -new -key p256.pkcs8.pem -subj /CN=test -days 36500 -out certificate.pem
