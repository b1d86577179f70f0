/**
 * imds: the wire of the Azure instance metadata service, as the proxy sidecar and the node endpoint of pod identity serve it:
 * request targets, header rules, token queries, token answers, refusals, and forwarding to the real service.
 */
export { createForwardToImds, type ForwardToImds, type ForwardToImdsOptions } from './forward-to-imds.ts'
export { refuseForwarded, requireMetadataHeader } from './header-rules.ts'
export { isImdsEndpoint } from './imds-endpoint.ts'
export { ImdsRefusal, type ImdsRefusalCode, sendJson, sendRefusal, sendText } from './imds-refusal.ts'
export { imdsLimits } from './limits.ts'
export { metadataAddress, parseRequestTarget, type RequestTarget } from './request-target.ts'
export { type TokenAnswerOptions, tokenAnswer } from './token-answer.ts'
export { parseTokenQuery, type TokenQuery } from './token-query.ts'
