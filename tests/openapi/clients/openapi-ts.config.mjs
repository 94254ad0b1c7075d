// Node wants the names of files as they are.
export default { output: { path: "generated", importFileExtension: ".js" } };
