/**
 * packaging/places: where the package is on this machine, which version it is, and where it caches what it builds. Imports
 * nothing, so that the command line can start with it. Imported by the programs of `bin`.
 */
export { type PackagePlaces, packagePlaces } from './package-places.ts'
