import type { Severity } from '#azure/lint'

/** A finding about an object of another tool. An error leaves the object out. */
export interface MigrateRule {
  /** Two to seven words. */
  title: string
  severity: Severity
  /** What differs, in one or two sentences. */
  why: string
  /** What would be right, for findings that have no text of their own. */
  right: string
}

/** Rules by their ids, which are stable: an id is never used for something else. */
export type MigrateRules = Readonly<Record<`KM${number}`, MigrateRule>>

/** Rules about objects of any source. */
export const commonRules = {
  KM001: {
    title: 'unknown field',
    severity: 'error',
    why: 'Its effect is not known, so leaving it out could change the Secret.',
    right: 'remove the field, or write the class and the SecretSync by hand',
  },
  KM002: {
    title: 'result is not valid',
    severity: 'error',
    why: 'The class or SecretSync that follows from the object would be refused.',
    right: 'change the object so that the result is valid, or write it by hand',
  },
  KM003: {
    title: 'two objects of one name',
    severity: 'error',
    why: 'Two objects of the input become one class or one Secret.',
    right: 'rename one of them, or migrate them in two runs with different suffixes',
  },
  KM004: {
    title: 'name is missing or not valid',
    severity: 'error',
    why: 'Kubernetes refuses the object.',
    right: 'metadata.name: lower case letters, digits, "-" and "."',
  },
  KM005: {
    title: 'no service account is known',
    severity: 'error',
    why: 'The old tool reads with an identity of its own. A SecretSync reads with the identity of a service account of its namespace.',
    right:
      '--service-account NAME: an account of the namespace that Entra trusts (keymount identity serviceaccount create)',
  },
  KM006: {
    title: 'field is missing or of the wrong type',
    severity: 'error',
    why: 'The old tool refuses the object, too.',
    right: 'the field as the documentation of the old tool has it',
  },
  KM007: {
    title: 'Secret type is not allowed',
    severity: 'error',
    why: 'Kubernetes gives Secrets of this type rights: a vault’s content must not become a token.',
    right: 'Opaque, or the type that the application needs',
  },
  KM008: {
    title: 'name of the vault is not known',
    severity: 'error',
    why: 'A class names the vault and its cloud; the address of the vault has to be of a known cloud.',
    right: 'https://NAME.vault.azure.net, or the address of a vault in a sovereign cloud with its environment',
  },
  KM009: {
    title: 'kind is not converted',
    severity: 'error',
    why: 'Keymount has no counterpart of this kind.',
    right: 'keep the old tool for this object, or replace it by hand',
  },
  KM010: {
    title: 'lint finding',
    severity: 'warning',
    why: 'The object stays as it is, and `keymount lint` finds something in it.',
    right: 'what docs/lint.md has for the rule',
  },
  KM011: {
    title: 'needs an object that is left out',
    severity: 'error',
    why: 'The object would refer to a class or a Secret that does not exist.',
    right: 'solve the findings of the other object first',
  },
} as const satisfies MigrateRules
