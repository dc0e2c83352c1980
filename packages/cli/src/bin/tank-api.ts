#!/usr/bin/env node
import { main } from '../main.ts'

process.exit(await main(['api', ...process.argv.slice(2)]))
