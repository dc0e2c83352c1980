export { FaultyLink, type LinkMode } from './faulty-link.ts'
export type {
  ConformanceOptions,
  Fault,
  Faults,
  KilledWriter,
  TestFunction
} from './options.ts'
export { storeConformance } from './suite.ts'
