'use strict';
function decodeUplink(input) {
  const bytes = input.bytes;
  let sum = 0;
  for (const b of bytes) { sum += b; }
  return { data: { sum } };
}
