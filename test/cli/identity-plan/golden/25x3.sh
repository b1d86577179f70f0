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
vault shop-prod
grant 'Key Vault Secrets User' '' --secret-permissions get
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-01
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-02
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-03
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-04
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-05
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-06
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-07
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-08
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-09
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-10
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-11
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-12
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-13
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-14
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-15
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-16
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-17
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-18
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-19
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-20
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-21
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-22
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-23
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-24
bind km-5e0d0000 00000000-0000-0000-0000-000000000001 fleet prod-25
kubectl --context prod-01 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-02 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-03 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-04 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-05 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-06 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-07 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-08 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-09 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-10 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-11 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-12 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-13 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-14 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-15 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-16 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-17 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-18 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-19 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-20 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-21 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-22 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-23 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-24 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-25 apply --filename - <<'END'
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"rules":[{"apiGroups":["cid.wi.aks.azure.com"],"resources":["5e0d0000-0000-4000-8000-00000000000a"],"verbs":["use-managed-identity"]}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-ff131fa08a"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-01"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-7f2b0e969d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-02"}]}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a-951d6c4ee9"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"keymount-identity-5e0d0000-0000-4000-8000-00000000000a"},"subjects":[{"kind":"ServiceAccount","namespace":"shop","name":"app-03"}]}
END
kubectl --context prod-01 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-02 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-03 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-04 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-05 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-06 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-07 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-08 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-09 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-10 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-11 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-12 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-13 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-14 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-15 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-16 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-17 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-18 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-19 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-20 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-21 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-22 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-23 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-24 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
kubectl --context prod-25 patch secretproviderclass app --namespace shop --type merge --patch '{"spec":{"parameters":{"useAzureTokenProxy":"true"}}}'
