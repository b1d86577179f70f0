#!/usr/bin/env bash
# Made by keymount identity plan, for bash with az (signed in) and kubectl. It may run again: what is there stays.
set -euo pipefail

# The identity with a client id: its name, group, location, object id, and the credentials that it has.
identity() { # CLIENT
  app='' identity=$(az identity list --query "[?clientId=='$1'].id | [0]" --output tsv)
  if [ -n "$identity" ]; then
    show_identity
  else
    client=$1 app=$(az ad app show --id "$1" --query id --output tsv)
    principal=$(az ad sp show --id "$1" --query id --output tsv)
    known=$(az ad app federated-credential list --id "$app" --query "[].join(' ', [issuer, subject])" --output tsv)
  fi
}
show_identity() {
  facts=$(az identity show --ids "$identity" --query "join(' ', [name, resourceGroup, location, principalId, clientId])" --output tsv)
  read -r name group location principal client <<<"$facts"
  known=$(az identity federated-credential list --identity-name "$name" --resource-group "$group" --query "[].join(' ', [issuer, subject])" --output tsv)
}
# Another identity, beside the one before.
new_identity() { # NAME
  az identity create --name "$1" --resource-group "$group" --location "$location" --output none
  identity=$(az identity show --name "$1" --resource-group "$group" --query id --output tsv)
  show_identity
}
credential() { # NAME ISSUER SUBJECT
  if grep -qxF -- "$2 $3" <<<"$known"; then return; fi
  if [ -z "$app" ]; then
    az identity federated-credential create --name "$1" --identity-name "$name" --resource-group "$group" --issuer "$2" --subject "$3" --audiences api://AzureADTokenExchange --output none
  else
    az ad app federated-credential create --id "$app" --parameters "{\"name\":\"$1\",\"issuer\":\"$2\",\"subject\":\"$3\",\"audiences\":[\"api://AzureADTokenExchange\"]}" --output none
  fi
}
vault() { # NAME
  facts=$(az keyvault show --name "$1" --query "join(' ', [name, id, to_string(properties.enableRbacAuthorization)])" --output tsv)
  read -r vault_name vault rbac <<<"$facts"
}
# A role, or in a vault with access policies the permissions.
grant() { # ROLE OBJECT FLAG PERMISSION...
  if [ "$rbac" = true ]; then
    az role assignment create --role "$1" --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal --scope "$vault$2" --output none
  else
    az keyvault set-policy --name "$vault_name" --object-id "$principal" "${@:3}" --output none
  fi
}
bind() { # NAME SUBSCRIPTION GROUP CLUSTER
  if az aks identity-binding show --subscription "$2" --resource-group "$3" --cluster-name "$4" --name "$1" --output none 2>/dev/null; then return; fi
  az aks identity-binding create --subscription "$2" --resource-group "$3" --cluster-name "$4" --name "$1" --managed-identity-resource-id "$identity" --output none
}

identity 5e0d0000-0000-4000-8000-00000000000a
credential km-05bde97ca5 https://oidc.example/prod/ system:serviceaccount:bank:app-01
credential km-a210fc3440 https://oidc.example/prod/ system:serviceaccount:bank:app-04
credential km-98bc7b160f https://oidc.example/prod/ system:serviceaccount:bank:app-07
credential km-83bd413f92 https://oidc.example/prod/ system:serviceaccount:bank:app-10
credential km-281d7ba423 https://oidc.example/prod/ system:serviceaccount:bank:app-13
credential km-75e05cad83 https://oidc.example/prod/ system:serviceaccount:bank:app-16
credential km-0d95005407 https://oidc.example/prod/ system:serviceaccount:bank:app-19
credential km-371619de05 https://oidc.example/prod/ system:serviceaccount:bank:app-22
credential km-1936403172 https://oidc.example/prod/ system:serviceaccount:bank:app-25
credential km-dc1282ceba https://oidc.example/prod/ system:serviceaccount:bank:app-28
credential km-ea682dcaca https://oidc.example/prod/ system:serviceaccount:bank:app-31
credential km-86798b8bcd https://oidc.example/prod/ system:serviceaccount:bank:app-34
credential km-907e3d3f2b https://oidc.example/prod/ system:serviceaccount:bank:app-37
credential km-f633483a30 https://oidc.example/prod/ system:serviceaccount:bank:app-40
credential km-d16755850a https://oidc.example/prod/ system:serviceaccount:bank:app-43
vault shop-prod
grant 'Key Vault Secrets User' '' --secret-permissions get
new_identity keymount-5e0d0000-2
client_2=$client
credential km-b93cbc0768 https://oidc.example/prod/ system:serviceaccount:blog:app-02
credential km-199c30150f https://oidc.example/prod/ system:serviceaccount:blog:app-05
credential km-1ca2fe3e2e https://oidc.example/prod/ system:serviceaccount:blog:app-08
credential km-d91ed370d0 https://oidc.example/prod/ system:serviceaccount:blog:app-11
credential km-dcfe95633c https://oidc.example/prod/ system:serviceaccount:blog:app-14
credential km-bab933adc7 https://oidc.example/prod/ system:serviceaccount:blog:app-17
credential km-21f6b5efa5 https://oidc.example/prod/ system:serviceaccount:blog:app-20
credential km-d1bd04ae1c https://oidc.example/prod/ system:serviceaccount:blog:app-23
credential km-65d740fde1 https://oidc.example/prod/ system:serviceaccount:blog:app-26
credential km-0c061b0ae5 https://oidc.example/prod/ system:serviceaccount:blog:app-29
credential km-63b3b1e89d https://oidc.example/prod/ system:serviceaccount:blog:app-32
credential km-3690bb4b0f https://oidc.example/prod/ system:serviceaccount:blog:app-35
credential km-521c94ca8c https://oidc.example/prod/ system:serviceaccount:blog:app-38
credential km-d422f850d7 https://oidc.example/prod/ system:serviceaccount:blog:app-41
credential km-0674a05728 https://oidc.example/prod/ system:serviceaccount:blog:app-44
vault shop-prod
grant 'Key Vault Secrets User' '' --secret-permissions get
new_identity keymount-5e0d0000-3
client_3=$client
credential km-55766872ae https://oidc.example/prod/ system:serviceaccount:shop:app-03
credential km-7500df9008 https://oidc.example/prod/ system:serviceaccount:shop:app-06
credential km-9c8b8950bc https://oidc.example/prod/ system:serviceaccount:shop:app-09
credential km-a9d4452523 https://oidc.example/prod/ system:serviceaccount:shop:app-12
credential km-2c277ca376 https://oidc.example/prod/ system:serviceaccount:shop:app-15
credential km-64f991fa3b https://oidc.example/prod/ system:serviceaccount:shop:app-18
credential km-2eb15181ff https://oidc.example/prod/ system:serviceaccount:shop:app-21
credential km-3a3235b3b6 https://oidc.example/prod/ system:serviceaccount:shop:app-24
credential km-1bd3cacccc https://oidc.example/prod/ system:serviceaccount:shop:app-27
credential km-ffdd611a12 https://oidc.example/prod/ system:serviceaccount:shop:app-30
credential km-6db0acae3f https://oidc.example/prod/ system:serviceaccount:shop:app-33
credential km-3f744846c3 https://oidc.example/prod/ system:serviceaccount:shop:app-36
credential km-3cbcb4da39 https://oidc.example/prod/ system:serviceaccount:shop:app-39
credential km-6328eb6a0d https://oidc.example/prod/ system:serviceaccount:shop:app-42
credential km-54a4b85cfb https://oidc.example/prod/ system:serviceaccount:shop:app-45
vault shop-prod
grant 'Key Vault Secrets User' '' --secret-permissions get
kubectl patch secretproviderclass app --namespace blog --type merge --patch "{\"spec\":{\"parameters\":{\"clientID\":\"$client_2\"}}}"
kubectl patch secretproviderclass app --namespace shop --type merge --patch "{\"spec\":{\"parameters\":{\"clientID\":\"$client_3\"}}}"
