"""What a developer does with the Azure SDK for Python, unmodified: read a secret, or everything that its quick starts show.

    tour.py read|everything CREDENTIAL VAULT_URL

CREDENTIAL is default, secret, certificate, workload or managed; where it finds what it needs is the environment's, as
the SDK documents it. Prints one line of JSON: the same as the programs of the other languages beside this one.
"""

import hashlib
import json
import os
import sys
from datetime import datetime, timezone

from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.certificates import CertificateClient, CertificatePolicy
from azure.keyvault.keys import KeyClient, KeyCurveName, KeyRotationLifetimeAction, KeyRotationPolicy
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient

QUICK = {"_polling_interval": 0.05}


def credential_of(kind):
    tenant, client = os.environ.get("AZURE_TENANT_ID"), os.environ.get("AZURE_CLIENT_ID")
    makers = {
        "default": lambda: DefaultAzureCredential(),
        "secret": lambda: ClientSecretCredential(tenant, client, os.environ["AZURE_CLIENT_SECRET"]),
        "certificate": lambda: CertificateCredential(tenant, client, os.environ["AZURE_CLIENT_CERTIFICATE_PATH"]),
        "workload": lambda: WorkloadIdentityCredential(),
        "managed": lambda: ManagedIdentityCredential(client_id=client),
    }
    return makers[kind]()


def secrets_tour(client):
    name = "tour-secret"
    client.set_secret(name, "first")
    made = client.set_secret(name, "second", content_type="text/plain", tags={"team": "shop"})
    expires = datetime(2035, 1, 1, tzinfo=timezone.utc)
    updated = client.update_secret_properties(name, made.properties.version, expires_on=expires)
    versions = len(list(client.list_properties_of_secret_versions(name)))
    backup = client.backup_secret(name)
    client.begin_delete_secret(name, **QUICK).wait()
    client.begin_recover_deleted_secret(name, **QUICK).wait()
    recovered = client.get_secret(name)
    client.begin_delete_secret(name, **QUICK).wait()
    client.purge_deleted_secret(name)
    client.restore_secret_backup(backup)
    return {
        "versions": versions,
        "team": made.properties.tags["team"],
        "expires": updated.expires_on.year,
        "recovered": recovered.value,
        "restored": client.get_secret(name).value,
    }


def keys_tour(client, credential):
    rsa = client.create_rsa_key("tour-rsa", size=2048)
    ec = client.create_ec_key("tour-ec", curve=KeyCurveName.p_256)
    with_rsa, with_ec = CryptographyClient(rsa, credential), CryptographyClient(ec, credential)
    encrypted = with_rsa.encrypt(EncryptionAlgorithm.rsa_oaep_256, b"plain")
    decrypted = with_rsa.decrypt(EncryptionAlgorithm.rsa_oaep_256, encrypted.ciphertext)
    wrapped = with_rsa.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"a key")
    unwrapped = with_rsa.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key)
    digest = hashlib.sha256(b"a message").digest()
    signed = with_ec.sign(SignatureAlgorithm.es256, digest)
    verified = with_ec.verify(SignatureAlgorithm.es256, digest, signed.signature)
    rotated = client.rotate_key("tour-rsa")
    policy = client.update_key_rotation_policy(
        "tour-rsa",
        KeyRotationPolicy(
            expires_in="P90D", lifetime_actions=[KeyRotationLifetimeAction("Rotate", time_after_create="P30D")]
        ),
    )
    client.begin_delete_key("tour-ec", **QUICK).wait()
    return {
        "decrypted": decrypted.plaintext.decode(),
        "unwrapped": unwrapped.key.decode(),
        "verified": verified.is_valid,
        "rotated": rotated.properties.version != rsa.properties.version,
        "expiryTime": policy.expires_in,
        "deleted": client.get_deleted_key("tour-ec").name,
    }


def certificates_tour(client, secrets):
    name = "tour-certificate"
    policy = CertificatePolicy(issuer_name="Self", subject="CN=tour.example.com")
    made = client.begin_create_certificate(name, policy, **QUICK).result()
    secret = secrets.get_secret(name, made.properties.version)
    subject = client.get_certificate_policy(name).subject
    client.begin_delete_certificate(name, **QUICK).wait()
    return {
        "subject": subject,
        "secretType": secret.properties.content_type,
        "sameVersion": made.properties.version == secret.properties.version,
        "deleted": client.get_deleted_certificate(name).name,
    }


def main():
    what, kind, vault = sys.argv[1:]
    credential = credential_of(kind)
    secrets = SecretClient(vault, credential)
    result = {"greeting": secrets.get_secret("greeting").value}
    if what == "everything":
        result["secrets"] = secrets_tour(secrets)
        result["keys"] = keys_tour(KeyClient(vault, credential), credential)
        result["certificates"] = certificates_tour(CertificateClient(vault, credential), secrets)
    print(json.dumps(result))


main()
