var handlers = {};
handlers[0x01] = function (b, o, d) { d.t = b[o] / 2; return 1; };
handlers[0x02] = function (b, o, d) { d.h = b[o]; return 1; };
function decodeUplink(input) {
  var o = 0, d = {};
  while (o < input.bytes.length) {
    var h = handlers[input.bytes[o]];
    if (!h) return { errors: ['unknown tag 0x' + input.bytes[o].toString(16)] };
    o += 1 + h(input.bytes, o + 1, d);
  }
  return { data: d };
}
