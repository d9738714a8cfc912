function decodeUplink(input) {
  var b = input.bytes;
  return { data: { t: new Date(2000 + b[0], b[1] - 1, b[2], b[3], b[4]).getTime() } };
}
