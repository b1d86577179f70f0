#!/bin/sh
# Creates what the examples read, in the vault KEYVAULT_NAME: secrets, the key signing-key and the certificate web. Needs az, signed in with
# the role Key Vault Administrator on the vault. Repeated, it sets the same values again.
set -eu
: "${KEYVAULT_NAME:?set it to the name of a vault}"

secret() {
  az keyvault secret set --vault-name "$KEYVAULT_NAME" --name "$1" --value "$2" --output none
  echo "secret $1"
}

secret ExampleSecret MyAKSExampleSecret
secret api-key 4c1f2a
secret password of-this-vault
secret database '{"user": "app", "password": "p4ss", "hosts": ["db-a", "db-b"]}'
secret database-password p4ss
secret registry '{"auths": {"registry.example.com": {"auth": "dXNlcjpwNHNz"}}}'
secret shop-001 first
secret shop-002 second
secret shop-003-test 'excluded by the selector'
secret db-url jdbc:postgresql://db/app
secret db-password p4ss
secret flag-search enabled

az keyvault key create --vault-name "$KEYVAULT_NAME" --name signing-key --kty RSA --output none
echo "key signing-key"
az keyvault certificate create --vault-name "$KEYVAULT_NAME" --name web --policy "$(az keyvault certificate get-default-policy)" --output none
echo "certificate web"
