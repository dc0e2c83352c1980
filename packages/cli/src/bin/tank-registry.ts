#!/usr/bin/env node
import { main } from '../main.ts'

process.exit(await main(['registry', ...process.argv.slice(2)]))
