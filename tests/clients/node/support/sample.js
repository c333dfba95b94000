// The documentation's own samples, unchanged but for the host.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const samples = new URL('../../samples/', import.meta.url);
// Beside node_modules, so that a sample's imports are found.
const workplace = fileURLToPath(new URL('../', import.meta.url));

/** The text of a sample for this device. */
export async function sampleFor(device, name) {
  const text = await readFile(new URL(name, samples), 'utf8');
  if (!text.includes('://thox.local:8080')) throw new Error(`${name} does not name the device`);
  return text.replaceAll('://thox.local:8080', device.url.slice('http'.length));
}

/** Writes the sample into a file for as long as `use` runs. */
export async function withSample(device, name, use) {
  const folder = await mkdtemp(`${workplace}.sample-`);
  try {
    const file = `${folder}/${name}`;
    await writeFile(file, await sampleFor(device, name));
    return await use(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}
