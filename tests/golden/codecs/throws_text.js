function decodeUplink(input) { throw 'frame too short'; }
