import assert from 'node:assert/strict'
import { constants, createHash, generateKeyPairSync, privateEncrypt, publicDecrypt, sign, verify } from 'node:crypto'
import { test } from 'node:test'
import { encodePss, type HashName, isPss } from './pss.ts'

const message = Buffer.from('one message')
const saltLength = constants.RSA_PSS_SALTLEN_DIGEST
const padding = constants.RSA_PKCS1_PSS_PADDING

for (const bits of [2048, 3072]) {
  for (const hash of ['sha256', 'sha384', 'sha512'] satisfies HashName[]) {
    test(`OpenSSL verifies our encoding, and we verify its: ${hash}, ${bits} bits`, () => {
      const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits })
      const digest = createHash(hash).update(message).digest()
      const encoded = encodePss(digest, hash, bits / 8)
      const ours = privateEncrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, encoded)
      assert.ok(verify(hash, message, { key: publicKey, padding, saltLength }, ours))

      const theirs = sign(hash, message, { key: privateKey, padding, saltLength })
      const opened = publicDecrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, theirs)
      assert.ok(isPss(opened, digest, hash))
      assert.ok(!isPss(opened, createHash(hash).update('another').digest(), hash))
      for (const index of [0, 20, opened.length - 1]) {
        const changed = Buffer.from(opened)
        changed.writeUInt8((opened[index] ?? 0) ^ 1, index)
        assert.ok(!isPss(changed, digest, hash), `byte ${index}`)
      }
    })
  }
}
