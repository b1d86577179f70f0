/** An XML document as the storage services send it. @param body the document element. */
export function xmlResponse(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(`<?xml version="1.0" encoding="utf-8"?>${body}`, {
    status,
    headers: { 'content-type': 'application/xml', ...headers },
  })
}
