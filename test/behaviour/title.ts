/** How the tests of the behaviour suite are found among all, by their outermost title: this and the name of the host. */
export const behaviourTitle = "behaviour: ";
