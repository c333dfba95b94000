// A real browser, where there is one.

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const places = [process.env.THOX_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = places.find((place) => place && existsSync(place));

/** Why no browser can be had, or false. */
export const skip = executablePath ? false : 'no Chromium here (apt-get install chromium, or THOX_CHROMIUM=/path)';

/** Starts it. */
export const launch = (...args) => chromium.launch({ executablePath, args: ['--no-sandbox', ...args] });
