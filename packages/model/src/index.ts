export * from './background-api.ts'
export * from './errors.ts'
export * from './image.ts'
export * from './registry-api.ts'
