/** The body as text; undefined when it has more than `most` bytes. */
export async function readBody(request: Request, most: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.length
    // The rest is read and dropped: a client that is still sending does not see an answer.
    if (size <= most) chunks.push(chunk)
  }
  return size > most ? undefined : Buffer.concat(chunks).toString('utf8')
}
