function decodeUplink(input) {
  var d = {}, b = input.bytes;
  for (var i = 0; i < b.length;) {
    var id = b[i++], type = b[i++];
    if (id === 0x01 && type === 0x75) { d.battery = b[i]; i += 1; }
    else if (id === 0x03 && type === 0x67) { d.temperature = readInt16LE(b.slice(i, i + 2)) / 10; i += 2; }
    else { break; }
  }
  return { data: d };
}
function readInt16LE(b) { var v = (b[1] << 8) + b[0]; return v > 0x7fff ? v - 0x10000 : v; }
