// Makes the user that the points service logs in as, with no more rights than it needs (role.json).
// The image runs it once, when the data folder is empty.
const fs = require("fs");
const points = db.getSiblingDB("loyalnest_points");
const role = JSON.parse(fs.readFileSync("/etc/mongo/role.json", "utf8"));
points.runCommand({ createRole: "loyalnestPoints", ...role });
points.createUser({
  user: "loyalnest",
  pwd: fs.readFileSync("/run/secrets/mongo_password", "utf8").trim(),
  roles: ["loyalnestPoints"],
});
