function decodeUplink({ bytes: [a = 0, b = 0, ...rest], fPort = 1 }) {
  return { data: { a, b, rest: rest.length, fPort } };
}
