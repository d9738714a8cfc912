function Decoder(bytes, port) { return { distance: ((bytes[0] << 8) | bytes[1]) + ' mm', battery: (bytes[2] / 10).toFixed(3) + ' V' }; }
