#!/usr/bin/env bash
# Made by keymount identity plan, for bash with az (signed in) and kubectl. You can run it again; existing objects are kept.
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
