import { storeConformance } from '@tank/store/conformance'
import t from 'tap'
import { createMemory, openMemoryStore } from '../src/index.ts'

const maxBytes = 512 * 1024 * 1024
const memory = createMemory()
const noNetwork = 'the backend is the memory of this process'

await storeConformance({
  test: (name, options, run) => t.test(name, options, run),
  // A new store each time, always on the same backend.
  open: () => openMemoryStore({ maxBytes }, memory),
  leftovers: async () => [...memory.images.keys()],
  // How the kit makes the backend fail; a text says why that cannot be.
  faults: {
    full: async () => {
      memory.used += maxBytes
      return () => {
        memory.used -= maxBytes
      }
    },
    refuse: noNetwork,
    hang: noNetwork,
    cut: noNetwork,
    reset: noNetwork,
    slow: noNetwork
  },
  killedWriter: 'what a process keeps in memory goes with it',
  memoryMiB: 'images are kept in memory: that is what the store is for'
})

t.equal(memory.used, 0, 'what was deleted is not counted any more')
