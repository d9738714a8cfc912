function Decoder(bytes, port) {
  var hex = bytes.map(function (b) { return ('00' + b.toString(16)).slice(-2); }).join('');
  return { hex: hex, n: parseInt(hex.substr(0, 4), 16) };
}
