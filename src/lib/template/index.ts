/**
 * lib/template: the subset of Go's text/template for files made of secrets. `parseTemplate` reads a text, `renderTemplate`
 * fills it in with the files of a volume, `templateNames` lists the files it asks for. Pure: no function does I/O, none
 * repeats without end, and a value never gets into a message. https://pkg.go.dev/text/template
 */
export { type FunctionRow, functionNames, templateFunctions } from './functions.ts'
export { parseTemplate } from './parse-template.ts'
export { type Rendered, renderTemplate } from './render-template.ts'
export type { Template } from './template-ast.ts'
export * from './template-error.ts'
export { fieldOf } from './template-field.ts'
export { type TemplateFiles, templateFiles } from './template-files.ts'
export { templateLimits } from './template-limits.ts'
export { type TemplateName, templateNames } from './template-names.ts'
export { type TemplateBudget, templateBudget } from './tokens.ts'
