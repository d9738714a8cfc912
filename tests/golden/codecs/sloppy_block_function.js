function decodeUplink(input) { if (input.fPort === 1) { function one() { return 1; } } return { data: { v: one() } }; }
