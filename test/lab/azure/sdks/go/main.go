// What a developer does with the Azure SDK for Go, unmodified: read a secret, or everything that its quick starts show.
//
//	azure-sdk-go read|everything CREDENTIAL VAULT_URL
//
// CREDENTIAL is default, secret, certificate, workload or managed; where it finds what it needs is the environment's, as
// the SDK documents it. Prints one line of JSON: the same as the programs of the other languages beside this one.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azcertificates"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

var ctx = context.Background()

func main() {
	what, vault := os.Args[1], os.Args[3]
	credential := must(credentialOf(os.Args[2]))
	secrets := must(azsecrets.NewClient(vault, credential, nil))
	result := map[string]any{"greeting": *must(secrets.GetSecret(ctx, "greeting", "", nil)).Value}
	if what == "everything" {
		result["secrets"] = secretsTour(secrets)
		result["keys"] = keysTour(must(azkeys.NewClient(vault, credential, nil)))
		result["certificates"] = certificatesTour(must(azcertificates.NewClient(vault, credential, nil)), secrets)
	}
	fmt.Println(string(must(json.Marshal(result))))
}

func credentialOf(kind string) (azcore.TokenCredential, error) {
	tenant, client := os.Getenv("AZURE_TENANT_ID"), os.Getenv("AZURE_CLIENT_ID")
	switch kind {
	case "default":
		return azidentity.NewDefaultAzureCredential(nil)
	case "secret":
		return azidentity.NewClientSecretCredential(tenant, client, os.Getenv("AZURE_CLIENT_SECRET"), nil)
	case "certificate":
		file := must(os.ReadFile(os.Getenv("AZURE_CLIENT_CERTIFICATE_PATH")))
		certificates, key, err := azidentity.ParseCertificates(file, nil)
		check(err)
		return azidentity.NewClientCertificateCredential(tenant, client, certificates, key, nil)
	case "workload":
		return azidentity.NewWorkloadIdentityCredential(nil)
	case "managed":
		return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(client)})
	}
	return nil, fmt.Errorf("unknown credential %s", kind)
}

func secretsTour(client *azsecrets.Client) map[string]any {
	const name = "tour-secret"
	must(client.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: to.Ptr("first")}, nil))
	set := must(client.SetSecret(ctx, name, azsecrets.SetSecretParameters{
		Value: to.Ptr("second"), ContentType: to.Ptr("text/plain"), Tags: map[string]*string{"team": to.Ptr("shop")},
	}, nil))
	updated := must(client.UpdateSecretProperties(ctx, name, set.ID.Version(), azsecrets.UpdateSecretPropertiesParameters{
		SecretAttributes: &azsecrets.SecretAttributes{Expires: to.Ptr(time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC))},
	}, nil))
	versions := 0
	for pager := client.NewListSecretPropertiesVersionsPager(name, nil); pager.More(); {
		versions += len(must(pager.NextPage(ctx)).Value)
	}
	backup := must(client.BackupSecret(ctx, name, nil))
	must(client.DeleteSecret(ctx, name, nil))
	must(client.RecoverDeletedSecret(ctx, name, nil))
	recovered := must(client.GetSecret(ctx, name, "", nil))
	must(client.DeleteSecret(ctx, name, nil))
	must(client.PurgeDeletedSecret(ctx, name, nil))
	must(client.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: backup.Value}, nil))
	restored := must(client.GetSecret(ctx, name, "", nil))
	return map[string]any{
		"versions": versions, "team": *set.Tags["team"], "expires": updated.Attributes.Expires.Year(),
		"recovered": *recovered.Value, "restored": *restored.Value,
	}
}

func keysTour(client *azkeys.Client) map[string]any {
	rsa := must(client.CreateKey(ctx, "tour-rsa", azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA), KeySize: to.Ptr(int32(2048))}, nil))
	ec := must(client.CreateKey(ctx, "tour-ec", azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeEC), Curve: to.Ptr(azkeys.CurveNameP256)}, nil))
	oaep := azkeys.EncryptionAlgorithmRSAOAEP256
	encrypted := must(client.Encrypt(ctx, "tour-rsa", rsa.Key.KID.Version(), azkeys.KeyOperationParameters{Algorithm: &oaep, Value: []byte("plain")}, nil))
	decrypted := must(client.Decrypt(ctx, "tour-rsa", rsa.Key.KID.Version(), azkeys.KeyOperationParameters{Algorithm: &oaep, Value: encrypted.Result}, nil))
	wrapped := must(client.WrapKey(ctx, "tour-rsa", "", azkeys.KeyOperationParameters{Algorithm: &oaep, Value: []byte("a key")}, nil))
	unwrapped := must(client.UnwrapKey(ctx, "tour-rsa", "", azkeys.KeyOperationParameters{Algorithm: &oaep, Value: wrapped.Result}, nil))
	digest := sha256.Sum256([]byte("a message"))
	es256 := azkeys.SignatureAlgorithmES256
	signed := must(client.Sign(ctx, "tour-ec", ec.Key.KID.Version(), azkeys.SignParameters{Algorithm: &es256, Value: digest[:]}, nil))
	verified := must(client.Verify(ctx, "tour-ec", ec.Key.KID.Version(), azkeys.VerifyParameters{Algorithm: &es256, Digest: digest[:], Signature: signed.Result}, nil))
	rotated := must(client.RotateKey(ctx, "tour-rsa", nil))
	policy := must(client.UpdateKeyRotationPolicy(ctx, "tour-rsa", azkeys.KeyRotationPolicy{
		Attributes: &azkeys.KeyRotationPolicyAttributes{ExpiryTime: to.Ptr("P90D")},
		LifetimeActions: []*azkeys.LifetimeAction{{
			Action:  &azkeys.LifetimeActionType{Type: to.Ptr(azkeys.KeyRotationPolicyActionRotate)},
			Trigger: &azkeys.LifetimeActionTrigger{TimeAfterCreate: to.Ptr("P30D")},
		}},
	}, nil))
	must(client.DeleteKey(ctx, "tour-ec", nil))
	deleted := must(client.GetDeletedKey(ctx, "tour-ec", nil))
	return map[string]any{
		"decrypted": string(decrypted.Result), "unwrapped": string(unwrapped.Result), "verified": *verified.Value,
		"rotated": rotated.Key.KID.Version() != rsa.Key.KID.Version(), "expiryTime": *policy.Attributes.ExpiryTime,
		"deleted": deleted.Key.KID.Name(),
	}
}

func certificatesTour(client *azcertificates.Client, secrets *azsecrets.Client) map[string]any {
	const name = "tour-certificate"
	must(client.CreateCertificate(ctx, name, azcertificates.CreateCertificateParameters{
		CertificatePolicy: &azcertificates.CertificatePolicy{
			IssuerParameters:          &azcertificates.IssuerParameters{Name: to.Ptr("Self")},
			X509CertificateProperties: &azcertificates.X509CertificateProperties{Subject: to.Ptr("CN=tour.example.com")},
		},
	}, nil))
	for *must(client.GetCertificateOperation(ctx, name, nil)).Status != "completed" {
		time.Sleep(100 * time.Millisecond)
	}
	made := must(client.GetCertificate(ctx, name, "", nil))
	secret := must(secrets.GetSecret(ctx, made.SID.Name(), made.SID.Version(), nil))
	policy := must(client.GetCertificatePolicy(ctx, name, nil))
	must(client.DeleteCertificate(ctx, name, nil))
	deleted := must(client.GetDeletedCertificate(ctx, name, nil))
	return map[string]any{
		"subject": *policy.X509CertificateProperties.Subject, "secretType": *secret.ContentType,
		"sameVersion": made.ID.Version() == secret.ID.Version(), "deleted": deleted.ID.Name(),
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
